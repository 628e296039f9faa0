use crate::event::{Event, close_frame};
use crate::header::{Control, Header, MAX_HEADER, Opcode};
use crate::message::Message;
use crate::{Role, Violation, mask};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::mem;
use core::str;

/// Reads one direction of a connection, behind the handshake.
///
/// It says the same whatever the pieces are in which the bytes come. Between messages it holds no memory but its own size.
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    max_message: usize,
    state: State,
    /// The message that has begun and not ended, if it does not come in one piece.
    message: Option<Message>,
}

#[derive(Debug)]
enum State {
    /// Between two frames, or within a header: what has come of it.
    Header { held: [u8; MAX_HEADER], len: u8 },
    /// Within a payload.
    Payload(Frame),
    /// Nothing more is read, after a close frame or a violation.
    Ended(Option<Violation>),
}

const BETWEEN: State = State::Header { held: [0; MAX_HEADER], len: 0 };

/// A frame whose payload is put together.
#[derive(Debug)]
struct Frame {
    mask: Option<[u8; 4]>,
    /// Bytes of the payload that have come.
    read: usize,
    /// Bytes that have not.
    left: usize,
    part_of: PartOf,
}

#[derive(Debug)]
enum PartOf {
    /// The message under way, of which it is the last frame or not.
    Message { last: bool },
    /// Nothing else: a control frame, with what has come of it.
    Control(Control, Vec<u8>),
}

impl Decoder {
    /// For the end of a connection that is `role`. A message of more than `max_message` bytes is refused as soon as that can be known.
    #[must_use]
    pub fn new(role: Role, max_message: usize) -> Self {
        Self { role, max_message, state: BETWEEN, message: None }
    }

    /// Reads from the front of `bytes` up to the end of a message or a control frame, which it returns; `bytes` is then what stands behind it. When it returns
    /// `None`, `bytes` is empty: what was in it is kept as far as it has to be.
    ///
    /// Call it until it returns `None`, then with what comes next. The bytes are unmasked where they are. After a close frame, whatever follows is
    /// dropped.
    ///
    /// # Errors
    ///
    /// The peer's [`Violation`] of RFC 6455, at each further call again: the connection has to be closed.
    pub fn decode<'a>(&mut self, bytes: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        let result = self.advance(bytes);
        if let Ok(Some(Event::Close(_))) | Err(_) = result {
            *bytes = &mut [];
            self.message = None;
            self.state = State::Ended(result.as_ref().err().copied());
        }
        result
    }

    fn advance<'a>(&mut self, bytes: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        loop {
            let event = match &mut self.state {
                State::Ended(None) => {
                    *bytes = &mut [];
                    None
                }
                State::Ended(Some(violation)) => return Err(*violation),
                State::Header { held, len } => match read_header(bytes, held, len, self.role)? {
                    Some(header) => self.begin(&header, bytes)?,
                    None => None,
                },
                State::Payload(_) => self.go_on(bytes)?,
            };
            if event.is_some() || bytes.is_empty() {
                return Ok(event);
            }
        }
    }

    /// A frame begins: judges it, and takes its payload as far as that is there.
    fn begin<'a>(&mut self, header: &Header, bytes: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        let Header { opcode, fin, mask, len } = *header;
        let so_far = match (opcode, &self.message) {
            (Opcode::Control(_), _) | (Opcode::Text | Opcode::Binary, None) => 0,
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::Interleaved),
            (Opcode::Continuation, Some(message)) => message.len(),
            (Opcode::Continuation, None) => return Err(Violation::NothingToContinue),
        };
        let too_big = Violation::TooBig(self.max_message);
        let left = usize::try_from(len).map_err(|_| too_big)?;
        let is_here = left <= bytes.len();
        let part_of = match opcode {
            Opcode::Control(kind) if is_here => return control(kind, Cow::Borrowed(unmasked(bytes, left, mask))).map(Some),
            Opcode::Control(kind) => PartOf::Control(kind, Vec::new()),
            Opcode::Text | Opcode::Binary | Opcode::Continuation if left > self.max_message.saturating_sub(so_far) => return Err(too_big),
            // The way of almost every message: it is here, and stays where it is.
            Opcode::Text if fin && is_here => {
                let text = str::from_utf8(unmasked(bytes, left, mask)).map_err(|_| Violation::NotUtf8)?;
                return Ok(Some(Event::Text(Cow::Borrowed(text))));
            }
            Opcode::Binary if fin && is_here => return Ok(Some(Event::Binary(Cow::Borrowed(unmasked(bytes, left, mask))))),
            Opcode::Text => {
                self.message = Some(Message::text());
                PartOf::Message { last: fin }
            }
            Opcode::Binary => {
                self.message = Some(Message::binary());
                PartOf::Message { last: fin }
            }
            Opcode::Continuation => PartOf::Message { last: fin },
        };
        self.state = State::Payload(Frame { mask, read: 0, left, part_of });
        self.go_on(bytes)
    }

    /// Takes what has come of the payload of the frame under way.
    fn go_on<'a>(&mut self, bytes: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        let State::Payload(Frame { mask, read, left, part_of }) = &mut self.state else { return Ok(None) };
        let piece = take(bytes, *left);
        if let Some(mask) = *mask {
            mask::apply(piece, mask, *read);
        }
        *read += piece.len();
        *left -= piece.len();
        match (&mut *part_of, &mut self.message) {
            (PartOf::Control(_, payload), _) => payload.extend_from_slice(piece),
            (PartOf::Message { .. }, Some(message)) => message.push(piece, *left)?,
            (PartOf::Message { .. }, None) => {}
        }
        if *left > 0 {
            return Ok(None);
        }
        let part_of = mem::replace(part_of, PartOf::Message { last: false });
        self.state = BETWEEN;
        match part_of {
            PartOf::Control(kind, payload) => control(kind, Cow::Owned(payload)).map(Some),
            PartOf::Message { last: true } => self.message.take().map(Message::finish).transpose(),
            PartOf::Message { last: false } => Ok(None),
        }
    }
}

/// The next header, once it is complete.
fn read_header(bytes: &mut &mut [u8], held: &mut [u8; MAX_HEADER], len: &mut u8, role: Role) -> Result<Option<Header>, Violation> {
    if *len == 0
        && let Some((header, used)) = Header::parse(bytes, role)?
    {
        take(bytes, used);
        return Ok(Some(header));
    }
    // One that is cut: byte by byte, until it is complete, so that nothing behind it is taken.
    while let Some(byte) = take(bytes, 1).first() {
        held[usize::from(*len)] = *byte;
        *len += 1;
        if let Some((header, _)) = Header::parse(&held[..usize::from(*len)], role)? {
            *len = 0;
            return Ok(Some(header));
        }
    }
    Ok(None)
}

/// Takes `n` bytes from the front of `bytes`, or as many as there are.
fn take<'a>(bytes: &mut &'a mut [u8], n: usize) -> &'a mut [u8] {
    let n = n.min(bytes.len());
    let (taken, rest) = mem::take(bytes).split_at_mut(n);
    *bytes = rest;
    taken
}

/// Takes a whole payload.
fn unmasked<'a>(bytes: &mut &'a mut [u8], len: usize, mask: Option<[u8; 4]>) -> &'a [u8] {
    let payload = take(bytes, len);
    if let Some(mask) = mask {
        mask::apply(payload, mask, 0);
    }
    payload
}

fn control(kind: Control, payload: Cow<'_, [u8]>) -> Result<Event<'_>, Violation> {
    Ok(match kind {
        Control::Ping => Event::Ping(payload),
        Control::Pong => Event::Pong(payload),
        Control::Close => Event::Close(close_frame(payload)?),
    })
}

//! A message that comes in pieces.

use crate::text::Text;
use crate::{Event, Violation};
use alloc::borrow::Cow;
use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) enum Message {
    Text(Text),
    Binary(Vec<u8>),
}

impl Message {
    pub(crate) fn text() -> Self {
        Self::Text(Text::default())
    }

    pub(crate) fn binary() -> Self {
        Self::Binary(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    /// Appends a piece, behind which the peer has announced `more` bytes. Room is made for no more of those than have come before, so
    /// that announcing alone costs the peer's own memory.
    pub(crate) fn push(&mut self, piece: &[u8], more: usize) -> Result<(), Violation> {
        let spare = more.min(self.len() + piece.len());
        match self {
            Self::Text(text) => {
                text.make_room(piece.len(), spare);
                text.push(piece)
            }
            Self::Binary(data) => {
                if data.capacity() - data.len() < piece.len() {
                    data.reserve_exact(piece.len() + spare);
                }
                data.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Event<'static>, Violation> {
        Ok(match self {
            Self::Text(text) => Event::Text(Cow::Owned(text.finish()?)),
            Self::Binary(data) => Event::Binary(Cow::Owned(data)),
        })
    }
}

/// A longer id is none: clients draw eight to forty characters.
const MAX_ID: usize = 128;

/// What a path below that of a service asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// The path itself, with or without a `/` behind it: "Welcome to SockJS!".
    Greeting,
    /// `/info`: what the server can do, asked for before anything else.
    Info,
    /// `/iframe….html`: the page by which old browsers cross origins.
    Iframe,
    /// `/websocket`: a WebSocket without any framing of SockJS.
    RawWebSocket,
    /// `/{server}/{session}/{transport}`. The server's part is for load balancers and means nothing here.
    Session {
        /// The id that the client drew for its session.
        id: &'a str,
        /// What it asks of it.
        transport: Transport,
    },
}

/// The last part of a session's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `websocket`: both directions. The id names nothing: the session lives as long as the connection.
    WebSocket,
    /// A request that waits for frames.
    Receive(Receiving),
    /// A request that brings messages.
    Send(Sending),
}

/// How frames are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Receiving {
    /// `xhr`: one frame a request.
    Xhr,
    /// `xhr_streaming`: a line a frame.
    XhrStreaming,
    /// `eventsource`: an event a frame.
    EventSource,
    /// `htmlfile`: a script a frame.
    HtmlFile,
    /// `jsonp`: one frame a request, as a script.
    Jsonp,
}

/// How messages are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sending {
    /// `xhr_send`: the body is the list.
    Xhr,
    /// `jsonp_send`: the body is a form whose field `d` is the list, or the list.
    Jsonp,
}

impl<'a> Route<'a> {
    /// Reads what stands behind the path of the service, without the query: nothing, or something that begins with a `/`. `None` for what SockJS does not know, which is answered with 404.
    #[must_use]
    pub fn parse(below: &'a str) -> Option<Self> {
        let Some(below) = below.strip_prefix('/') else { return below.is_empty().then_some(Self::Greeting) };
        match below {
            "" => return Some(Self::Greeting),
            "info" => return Some(Self::Info),
            "websocket" => return Some(Self::RawWebSocket),
            _ => {}
        }
        let mut parts = below.split('/');
        let (Some(first), id, transport, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return None };
        let (Some(id), Some(transport)) = (id, transport) else { return (id.is_none() && is_iframe(first)).then_some(Self::Iframe) };
        let transport = Transport::parse(transport)?;
        let is_part = |part: &str| (1..=MAX_ID).contains(&part.len()) && !part.contains('.');
        (is_part(first) && is_part(id)).then_some(Self::Session { id, transport })
    }
}

/// `iframe.html`, with anything of a version in between.
fn is_iframe(page: &str) -> bool {
    let version = page.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    version.is_some_and(|version| version.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-' | b'.' | b'_')))
}

impl Transport {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "websocket" => Self::WebSocket,
            "xhr" => Self::Receive(Receiving::Xhr),
            "xhr_streaming" => Self::Receive(Receiving::XhrStreaming),
            "eventsource" => Self::Receive(Receiving::EventSource),
            "htmlfile" => Self::Receive(Receiving::HtmlFile),
            "jsonp" => Self::Receive(Receiving::Jsonp),
            "xhr_send" => Self::Send(Sending::Xhr),
            "jsonp_send" => Self::Send(Sending::Jsonp),
            _ => return None,
        })
    }

    /// Its name in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Receive(Receiving::Xhr) => "xhr",
            Self::Receive(Receiving::XhrStreaming) => "xhr_streaming",
            Self::Receive(Receiving::EventSource) => "eventsource",
            Self::Receive(Receiving::HtmlFile) => "htmlfile",
            Self::Receive(Receiving::Jsonp) => "jsonp",
            Self::Send(Sending::Xhr) => "xhr_send",
            Self::Send(Sending::Jsonp) => "jsonp_send",
        }
    }

    /// Whether it is asked for with POST; otherwise with GET.
    #[must_use]
    pub fn is_posted(self) -> bool {
        match self {
            Self::WebSocket | Self::Receive(Receiving::EventSource | Receiving::HtmlFile | Receiving::Jsonp) => false,
            Self::Receive(Receiving::Xhr | Receiving::XhrStreaming) | Self::Send(Sending::Xhr | Sending::Jsonp) => true,
        }
    }

    /// Whether a page of any origin can use it without its browser saying so: a script or a page that another one embeds is asked for without an `Origin`. A service that is not for all origins
    /// must not offer it.
    #[must_use]
    pub fn hides_origin(self) -> bool {
        matches!(self, Self::Receive(Receiving::HtmlFile | Receiving::Jsonp) | Self::Send(Sending::Jsonp))
    }
}

//! The catalogue as data: what is wrong, and what it gets.

use bowline_tests::sockets::masked_frame;

/// One line of the catalogue, one test.
pub(crate) struct Row {
    /// The test's name.
    pub(crate) name: &'static str,
    /// The input, for people.
    pub(crate) shown: String,
    pub(crate) input: Input,
    pub(crate) gets: Gets,
    /// Where that is laid down.
    pub(crate) rule: &'static str,
}

/// What the other side does.
pub(crate) enum Input {
    Client(FromClient),
    Server(FromServer),
}

/// What a client sends.
pub(crate) enum FromClient {
    /// A text frame in its session.
    Text(String),
    /// The same on a path of the strict dialect.
    Strict(String),
    /// With resumption: a text frame in its session, after which two messages have been sent to it, of which it has acknowledged the first.
    Resumable(String),
    /// The same client comes over a new transport to this path, and sends these text frames. `SESSION` stands for its session; what is told is what the last of them gets.
    Anew(&'static str, Vec<String>),
    /// These bytes in its session.
    Frames(Vec<u8>),
    /// These bytes, and then nothing, instead of a handshake.
    Head(String),
    /// This request, beside those of its session, which is one of SockJS that polls.
    SockJs(String),
    /// A text frame in its session, which is one of SockJS over a WebSocket.
    Carried(&'static str),
    /// Another client comes than those for which there is room.
    OneMore(Bound),
}

/// What a server answers or sends.
pub(crate) enum FromServer {
    /// To the handshake.
    Answer(&'static [u8]),
    /// To `connect`: these members.
    Greeting(&'static str),
    /// When a client with resumption comes back, to which it has sent nothing and which has sent it one call.
    Welcome(&'static str),
    /// To a call: these members.
    Reply(&'static str),
    /// These bytes in a session.
    Served(Vec<u8>),
}

/// What there is a bound of.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    Handshakes,
    Transports,
    Sessions,
    /// How long a transport without a session may say nothing.
    Silence,
    /// Sessions that an address may guess.
    Guesses,
    Requests,
}

/// What it gets.
#[derive(Clone, Copy)]
pub(crate) enum Gets {
    /// An error: the answer's id as JSON, its code, and what the message says. The session goes on.
    Error(&'static str, i64, &'static str),
    /// The same as the only member of a batch.
    ErrorInBatch(&'static str, i64, &'static str),
    /// No answer. The session goes on.
    Nothing,
    /// It is served as if nothing was wrong: the answer's id as JSON.
    Served(&'static str),
    /// A Close frame: its code, and its reason if that is laid down. The session can be resumed.
    Closed(u16, &'static str),
    /// A Close frame, and the session is gone.
    SessionClosed(u16, &'static str),
    /// The same, behind an error with `data.type` RESUME_MISMATCH.
    Mismatch,
    /// The end of the connection, without an answer of our own. The session can be resumed.
    Ended,
    /// An HTTP status, and the end of the connection.
    Status(u16),
    /// An error of `connect`, which says this.
    Refused(&'static str),
    /// The client connects all the same.
    Connected,
    /// An error of the call, which says this. The client goes on.
    CallFails(&'static str),
    /// The client goes on with a new session, and the call that was in flight is interrupted.
    Renewed,
    /// A Close frame with this code from the client, which then comes back to its session.
    Reconnected(u16),
    /// The client comes back to its session.
    ReconnectedSilently,
    /// The client answers with an error, and goes on.
    Refuted(&'static str, i64),
    /// The client passes over it.
    PassedOver,
}

const JSON: &str = "protocol.md, 1";
const SPEC: &str = "JSON-RPC 2.0, 4";
const FRAMES: &str = "RFC 6455, 5";
const METHODS: &str = "protocol.md, 3";
const RESUMPTION: &str = "protocol.md, 6";
const LIFE: &str = "protocol.md, 7";
const SOCKJS: &str = "protocol.md, 8";
const HANDSHAKE: &str = "protocol.md, 9";

/// The sections of the page, and their rows.
pub(crate) fn sections() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("A client's text that is no JSON", no_json()),
        ("A client's JSON that is no request", no_request()),
        ("A client's request that cannot be done", not_done()),
        ("A client's session", sessions()),
        ("A client's resumption", resumptions()),
        ("A client's WebSocket frames", frames()),
        ("A client's handshake", heads()),
        ("A client's SockJS", sockjs()),
        ("One client more than there is room for", bounds()),
        ("A server's handshake", answers()),
        ("A server's answers", replies()),
        ("A server's frames and messages", served()),
    ]
}

fn text(name: &'static str, frame: &str, gets: Gets, rule: &'static str) -> Row {
    let shown = if frame.is_empty() { "an empty frame".to_owned() } else { shown(frame) };
    Row { name, shown, input: Input::Client(FromClient::Text(frame.to_owned())), gets, rule }
}

/// The text of a row as the page has it.
fn shown(text: &str) -> String {
    format!("`{}`", text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\"))
}

fn long(name: &'static str, shown: &str, frame: String, gets: Gets, rule: &'static str) -> Row {
    Row { name, shown: shown.to_owned(), input: Input::Client(FromClient::Text(frame)), gets, rule }
}

fn no_json() -> Vec<Row> {
    let bad = |says| Gets::Error("null", -32700, says);
    let (open, close) = ("[".repeat(10_000), "]".repeat(10_000));
    vec![
        text("nothing", "", bad("at byte 0"), JSON),
        text("a_space", " ", bad("at byte 1"), JSON),
        text("half_an_object", "{", bad("at byte 1"), JSON),
        text("a_word", "rubbish", bad("at byte 0"), JSON),
        text("a_byte_order_mark", "\u{feff}{}", bad("at byte 0"), JSON),
        text("one_brace_too_many", r#"{"jsonrpc":"2.0","id":1,"method":"echo"}}"#, bad("at byte 40"), JSON),
        text("one_comma_too_many", r#"{"jsonrpc":"2.0","id":1,"method":"echo",}"#, bad("at byte 40"), JSON),
        text("a_number_with_a_leading_zero", r#"{"jsonrpc":"2.0","id":01,"method":"echo"}"#, bad("at byte"), JSON),
        text("single_quotes", "{'jsonrpc':'2.0'}", bad("at byte 1"), JSON),
        text("a_control_character_in_a_string", "\"\u{1}\"", bad("control"), JSON),
        text("half_a_batch", r#"[{"jsonrpc":"2.0","id":1,"method":"echo"},"#, bad("at byte"), JSON),
        long("one_level_too_many", "a request with 127 levels in its params", levels("echo", 127), bad("deep"), JSON),
        long(
            "as_deep_as_it_goes",
            "a request of nothing known with 126 levels in its params",
            levels("no such", 126),
            Gets::Error("1001", -32601, ""),
            JSON,
        ),
        long(
            "one_level_too_many_in_the_answer",
            "a request with 126 levels in its params, which come back with an object around them",
            levels("echo", 126),
            Gets::Error("1001", -32603, "127 levels"),
            JSON,
        ),
        long("ten_thousand_levels", "10,000 times `[`, and as many `]`", format!("{open}{close}"), bad("deep"), JSON),
    ]
}

/// A request whose params are arrays in arrays.
fn levels(method: &str, depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(r#"{{"jsonrpc":"2.0","id":1001,"method":"{method}","params":{open}{close}}}"#)
}

fn no_request() -> Vec<Row> {
    let bad = |id, says| Gets::Error(id, -32600, says);
    vec![
        text("a_number", "5", bad("null", "object"), SPEC),
        text("a_string", "\"connect\"", bad("null", "object"), SPEC),
        text("null", "null", bad("null", "object"), SPEC),
        text("an_empty_batch", "[]", bad("null", "empty"), "JSON-RPC 2.0, 6"),
        text("an_empty_object", "{}", bad("null", ""), SPEC),
        text("no_method", r#"{"jsonrpc":"2.0","id":1001}"#, bad("1001", "method"), SPEC),
        text("a_method_that_is_a_number", r#"{"jsonrpc":"2.0","id":1001,"method":5}"#, bad("1001", "method"), SPEC),
        text("a_method_of_half_a_character", r#"{"jsonrpc":"2.0","id":1001,"method":"\ud800"}"#, bad("1001", "method"), JSON),
        text("another_version", r#"{"jsonrpc":"1.0","id":1001,"method":"echo"}"#, bad("1001", "jsonrpc"), SPEC),
        text("a_version_that_is_a_number", r#"{"jsonrpc":2.0,"id":1001,"method":"echo"}"#, bad("1001", "jsonrpc"), SPEC),
        text("no_version", r#"{"id":1001,"method":"echo","params":{}}"#, Gets::Served("1001"), JSON),
        Row {
            name: "no_version_in_the_strict_dialect",
            shown: shown(r#"{"id":1001,"method":"echo","params":{}}"#),
            input: Input::Client(FromClient::Strict(r#"{"id":1001,"method":"echo","params":{}}"#.into())),
            gets: bad("1001", "jsonrpc"),
            rule: JSON,
        },
        text(
            "params_that_are_a_number",
            r#"{"jsonrpc":"2.0","id":1001,"method":"echo","params":5}"#,
            Gets::Served("1001"),
            "protocol.md, 2",
        ),
        text("an_id_that_is_a_list", r#"{"jsonrpc":"2.0","id":[1],"method":"echo"}"#, bad("null", "id"), SPEC),
        text("an_id_that_is_an_object", r#"{"jsonrpc":"2.0","id":{},"method":"echo"}"#, bad("null", "id"), SPEC),
        text("an_id_that_is_true", r#"{"jsonrpc":"2.0","id":true,"method":"echo"}"#, bad("null", "id"), SPEC),
        long(
            "an_id_of_300_bytes",
            "an id of 300 bytes",
            format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"echo"}}"#, "i".repeat(300)),
            bad("null", "id"),
            JSON,
        ),
        text("a_batch_of_a_number", "[1]", Gets::ErrorInBatch("null", -32600, "object"), "JSON-RPC 2.0, 6"),
        text("a_batch_in_a_batch", "[[]]", Gets::ErrorInBatch("null", -32600, "object"), "JSON-RPC 2.0, 6"),
        text(
            "a_batch_of_notifications",
            r#"[{"jsonrpc":"2.0","method":"echo"},{"jsonrpc":"2.0","method":"no such"}]"#,
            Gets::Nothing,
            "JSON-RPC 2.0, 6",
        ),
        text(
            "connect_in_a_batch",
            r#"[{"jsonrpc":"2.0","id":1001,"method":"connect"}]"#,
            Gets::ErrorInBatch("1001", -32600, "batch"),
            RESUMPTION,
        ),
        long("a_batch_of_1025", "a batch of 1,025 messages", format!("[{}1]", "1,".repeat(1024)), bad("null", ""), JSON),
        text("an_answer_to_nothing", r#"{"jsonrpc":"2.0","id":4711,"result":{}}"#, Gets::Nothing, "protocol.md, 1"),
        text(
            "an_answer_with_a_result_and_an_error",
            r#"{"jsonrpc":"2.0","id":4711,"result":{},"error":{"code":1,"message":"m"}}"#,
            Gets::Nothing,
            JSON,
        ),
        text("an_error_for_nobody", r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#, Gets::Nothing, "protocol.md, 1"),
    ]
}

fn not_done() -> Vec<Row> {
    let bad = |code, says| Gets::Error("1001", code, says);
    vec![
        text("an_unknown_method", r#"{"jsonrpc":"2.0","id":1001,"method":"no such"}"#, bad(-32601, "no such"), SPEC),
        text("another_case", r#"{"jsonrpc":"2.0","id":1001,"method":"Connect"}"#, bad(-32601, "Connect"), SPEC),
        text("a_param_of_another_type", r#"{"jsonrpc":"2.0","id":1001,"method":"add","params":{"a":"x","b":2}}"#, bad(-32602, "`a`"), SPEC),
        text("a_param_that_is_missing", r#"{"jsonrpc":"2.0","id":1001,"method":"add","params":{"a":1}}"#, bad(-32602, "`b`"), SPEC),
        text("a_notification_of_nothing_known", r#"{"jsonrpc":"2.0","method":"no such"}"#, Gets::Nothing, SPEC),
    ]
}

fn sessions() -> Vec<Row> {
    const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
    let in_session = |name, method: &str, params: &str, gets| {
        text(name, &format!(r#"{{"jsonrpc":"2.0","id":1001,"method":"{method}","params":{params}}}"#), gets, METHODS)
    };
    let wrong = |says| Gets::Error("1001", -32602, says);
    let unknown = Gets::Error("1001", 40007, "reconnection error");
    let connect = |id: u32, session: &str| request(id, "connect", &format!(r#"{{"sessionId":"{session}"}}"#));
    let guesses: Vec<_> = (1..=8).map(|id| connect(id, NOBODY)).collect();
    vec![
        in_session("a_session_that_nobody_has", "connect", r#"{"sessionId":"x"}"#, unknown),
        in_session("a_session_that_is_a_number", "connect", r#"{"sessionId":5}"#, wrong("sessionId")),
        anew("a_session_of_another_path", "/second", &[connect(1001, SESSION)], unknown, METHODS),
        Row {
            name: "a_session_that_was_closed",
            shown: format!("{}, then `connect` to the same session", shown(&request(1001, "closeSession", "{}"))),
            input: Input::Client(FromClient::Resumable(request(1001, "closeSession", "{}"))),
            gets: Gets::SessionClosed(1000, ""),
            rule: METHODS,
        },
        anew("a_goodbye_without_a_session", "/", &[request(1, "closeSession", "{}")], Gets::Closed(1000, ""), METHODS),
        anew(
            "a_request_of_a_session_that_nobody_has",
            "/",
            &[request(1001, "echo", &format!(r#"{{"sessionId":"{NOBODY}"}}"#))],
            Gets::Served("1001"),
            METHODS,
        ),
        Row {
            shown: "eight times `connect` with a session that nobody has".into(),
            ..anew("eight_guesses", "/", &guesses, Gets::Closed(1008, "Too many unknown sessions"), METHODS)
        },
        in_session("an_interval_that_is_a_text", "ping", r#"{"interval":"x"}"#, wrong("interval")),
        in_session("an_interval_before_now", "ping", r#"{"interval":-1}"#, wrong("interval")),
        in_session("a_ping_with_a_session_that_nobody_has", "ping", &format!(r#"{{"sessionId":"{NOBODY}"}}"#), Gets::Served("1001")),
    ]
}

/// What stands for the session of the row's client.
pub(crate) const SESSION: &str = "SESSION";

fn request(id: u32, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

fn anew(name: &'static str, path: &'static str, frames: &[String], gets: Gets, rule: &'static str) -> Row {
    let frames = frames.to_vec();
    let told: Vec<_> = frames.iter().map(|frame| shown(frame)).collect();
    let mut shown = told.join(", then ");
    if path != "/" {
        shown.push_str(&format!(" to `{path}`"));
    }
    Row { name, shown, input: Input::Client(FromClient::Anew(path, frames)), gets, rule }
}

/// The client has been sent two messages and has acknowledged the first; it has sent two.
fn resumptions() -> Vec<Row> {
    let first = |name, params: &str, gets| anew(name, "/", &[request(1001, "connect", params)], gets, RESUMPTION);
    let wrong = |says| Gets::Error("1001", -32602, says);
    let ping = |name, params: &str, gets| Row {
        name,
        shown: shown(&request(1001, "ping", params)),
        input: Input::Client(FromClient::Resumable(request(1001, "ping", params))),
        gets,
        rule: RESUMPTION,
    };
    let back = |received: u32| format!(r#"{{"sessionId":"{SESSION}","resume":{{"received":{received}}}}}"#);
    let gone = Gets::SessionClosed(1002, "Resumption mismatch");
    vec![
        first("an_offer_that_is_a_number", r#"{"resume":5}"#, wrong("resume.received")),
        first("an_offer_without_a_number", r#"{"resume":{}}"#, wrong("resume.received")),
        first("an_offer_with_a_text", r#"{"resume":{"received":"1"}}"#, wrong("resume.received")),
        first("an_offer_below_nothing", r#"{"resume":{"received":-1}}"#, wrong("resume.received")),
        first("an_offer_with_half_a_message", r#"{"resume":{"received":0.5}}"#, wrong("resume.received")),
        first(
            "an_offer_with_less_than_nothing_acknowledged",
            r#"{"resume":{"received":0,"acknowledged":-1}}"#,
            wrong("resume.acknowledged"),
        ),
        first("an_offer_with_a_longest_message_that_is_a_text", r#"{"resume":{"received":0,"max":"x"}}"#, wrong("resume.max")),
        first("messages_of_a_session_before_it_began", r#"{"resume":{"received":3}}"#, wrong("resume.received")),
        anew(
            "an_offer_behind_another_message",
            "/",
            &[request(1, "echo", "{}"), request(1001, "connect", r#"{"resume":{"received":0}}"#)],
            Gets::Error("1001", -32600, "before any other message"),
            RESUMPTION,
        ),
        first("an_offer_for_a_session_that_nobody_has", r#"{"sessionId":"x","resume":{"received":0}}"#, Gets::Error("1001", 40007, "")),
        first("more_than_was_sent", &back(3), Gets::Mismatch),
        first("less_than_was_acknowledged", &back(0), Gets::Mismatch),
        anew(
            "a_connect_that_was_overtaken",
            "/",
            &[request(0, "connect", &back(1))],
            Gets::Closed(4104, "Connection closed for reconnection"),
            RESUMPTION,
        ),
        ping("a_ping_for_more_than_was_sent", r#"{"received":3}"#, gone),
        ping("a_ping_for_less_than_before", r#"{"received":0}"#, Gets::Served("1001")),
        ping("a_ping_for_a_text", r#"{"received":"2"}"#, wrong("received")),
        Row {
            shown: "`connect` with `resume.max` 100, then a request with a longer answer".into(),
            ..anew(
                "an_answer_that_the_client_would_not_take",
                "/",
                &[
                    request(1, "connect", r#"{"resume":{"received":0,"max":100}}"#),
                    request(1001, "echo", &format!(r#"{{"text":"{}"}}"#, "x".repeat(100))),
                ],
                Gets::Error("1001", -32603, "100"),
                RESUMPTION,
            )
        },
    ]
}

fn frames() -> Vec<Row> {
    let row = |name, shown: &str, bytes: Vec<u8>, gets, rule| Row {
        name,
        shown: shown.to_owned(),
        input: Input::Client(FromClient::Frames(bytes)),
        gets,
        rule,
    };
    let protocol = Gets::Closed(1002, "WebSocket protocol error");
    let too_big = Gets::Closed(1009, "Message too big");
    let not_utf8 = Gets::Closed(1007, "Text is not UTF-8");
    let huge = |len: u64| [&[0x81, 0x80 | 127][..], &len.to_be_bytes(), &[0; 4]].concat();
    let piece = |first| masked_frame(first, &vec![b' '; 1 << 19]);
    let whole = r#"{"jsonrpc":"2.0","id":1001,"method":"echo","params":{"text":"ä€"}}"#.as_bytes();
    let single: Vec<u8> =
        whole.iter().enumerate().flat_map(|(at, byte)| masked_frame(u8::from(at == 0), &[*byte])).chain(masked_frame(0x80, b"")).collect();
    let pinged = [masked_frame(0x01, &whole[..9]), masked_frame(0x89, b"p"), masked_frame(0x80, &whole[9..])].concat();
    let mut rows = vec![
        row("a_binary_frame", "a binary frame", masked_frame(0x82, b"{}"), Gets::Closed(1003, "Binary frames are not accepted"), JSON),
        row("no_mask", "a frame without a mask", b"\x81\x02{}".to_vec(), protocol, "RFC 6455, 5.1"),
        row("fragments_of_a_byte", "a request in fragments of one byte", single, Gets::Served("1001"), "RFC 6455, 5.4"),
        row("a_ping_between_fragments", "a ping between the fragments of a request", pinged, Gets::Served("1001"), "RFC 6455, 5.4"),
        row("a_continuation_of_nothing", "a continuation of nothing", masked_frame(0x80, b"{}"), protocol, "RFC 6455, 5.4"),
        row(
            "a_message_inside_another",
            "a message between the fragments of another",
            [masked_frame(0x01, b"{"), masked_frame(0x81, b"{}")].concat(),
            protocol,
            "RFC 6455, 5.4",
        ),
        row("a_ping_in_fragments", "a ping in fragments", masked_frame(0x09, b"x"), protocol, "RFC 6455, 5.5"),
        row("a_ping_of_126_bytes", "a ping of 126 bytes", masked_frame(0x89, &[b'x'; 126]), protocol, "RFC 6455, 5.5"),
        row(
            "a_ping_with_a_long_length",
            "a ping whose length is written in two bytes more than it needs",
            [&[0x89, 0x80 | 126, 0, 1][..], &[0; 4], b"x"].concat(),
            protocol,
            "RFC 6455, 5.5",
        ),
        row(
            "a_text_with_a_long_length",
            "a request whose length is written in eight bytes",
            [&[0x81, 0x80 | 127][..], &(whole.len() as u64).to_be_bytes(), &[0; 4], whole].concat(),
            Gets::Served("1001"),
            "RFC 6455, 5.2",
        ),
        row("two_megabytes", "a message of 2 MiB", masked_frame(0x81, &vec![b' '; 2 << 20]), too_big, "protocol.md, 9"),
        row(
            "two_megabytes_in_fragments",
            "a message of 2 MiB in fragments",
            [piece(1), piece(0), piece(0), piece(0x80)].concat(),
            too_big,
            "protocol.md, 9",
        ),
        row("a_length_that_nobody_can_send", "a frame that announces 2^62 bytes", huge(1 << 62), too_big, "protocol.md, 9"),
        row("a_character_that_is_none", "text that is no UTF-8", masked_frame(0x81, b"\"\xff\""), not_utf8, "RFC 6455, 8.1"),
        row(
            "half_a_character_at_the_end",
            "text that ends within a character",
            [masked_frame(0x01, b"\""), masked_frame(0x80, b"\xe2\x82")].concat(),
            not_utf8,
            "RFC 6455, 8.1",
        ),
        row("a_goodbye", "a Close frame, 1000", masked_frame(0x88, b"\x03\xe8bye"), Gets::Closed(1000, ""), "RFC 6455, 5.5.1"),
        row("a_goodbye_without_a_code", "an empty Close frame", masked_frame(0x88, b""), Gets::Ended, "RFC 6455, 5.5.1"),
        row("half_a_code", "a Close frame of one byte", masked_frame(0x88, b"\x03"), protocol, "RFC 6455, 5.5.1"),
        row("a_code_that_is_none", "a Close frame, 0", masked_frame(0x88, b"\x00\x00"), protocol, "RFC 6455, 7.4"),
        row("a_code_that_is_never_sent", "a Close frame, 1006", masked_frame(0x88, b"\x03\xee"), protocol, "RFC 6455, 7.4.1"),
        row(
            "a_reason_that_is_no_utf_8",
            "a Close frame whose reason is no UTF-8",
            masked_frame(0x88, b"\x03\xe8\xff"),
            not_utf8,
            "RFC 6455, 8.1",
        ),
    ];
    for (name, shown, first) in [
        ("opcode_3", "a frame with opcode 3", 0x83),
        ("opcode_11", "a frame with opcode 11", 0x8b),
        ("bit_1", "a frame with RSV1", 0xc1),
        ("bit_2", "a frame with RSV2", 0xa1),
        ("bit_3", "a frame with RSV3", 0x91),
    ] {
        rows.push(row(name, shown, masked_frame(first, b"{}"), protocol, "RFC 6455, 5.2"));
    }
    rows
}

/// A handshake in order, but for one line.
fn head(first: &str, more: &str) -> String {
    format!("{first}\r\n{more}\r\n")
}

fn heads() -> Vec<Row> {
    const UPGRADE: &str = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    const GET: &str = "GET / HTTP/1.1";
    let row = |name, shown: &str, bytes: String, status| Row {
        name,
        shown: shown.to_owned(),
        input: Input::Client(FromClient::Head(bytes)),
        gets: Gets::Status(status),
        rule: "protocol.md, 9",
    };
    let good = format!("{UPGRADE}{KEY}{VERSION}");
    vec![
        row("no_http", "`nonsense`", "nonsense\r\n\r\n".into(), 400),
        row("a_tls_hello", "a TLS handshake", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n".into(), 400),
        row("a_page", "`GET /` without an upgrade", head(GET, "Host: x\r\n"), 426),
        row("a_form", "`POST /`", head("POST / HTTP/1.1", "Host: x\r\n"), 405),
        row(
            "a_file",
            "`POST /` with 8 MiB, which it may send to their end",
            head("POST / HTTP/1.1", &format!("Host: x\r\nContent-Length: {}\r\n", 8 << 20)) + &"x".repeat(8 << 20),
            405,
        ),
        row("another_path", "a path that is not served", head("GET /other HTTP/1.1", &good), 404),
        row(
            "a_page_of_elsewhere",
            "`Origin: http://elsewhere.example`",
            head(GET, &format!("{good}Origin: http://elsewhere.example\r\n")),
            403,
        ),
        row("a_page_of_nowhere", "`Origin: null`", head(GET, &format!("{good}Origin: null\r\n")), 403),
        row("no_key", "no `Sec-WebSocket-Key`", head(GET, &format!("{UPGRADE}{VERSION}")), 400),
        row("an_old_version", "`Sec-WebSocket-Version: 8`", head(GET, &format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 8\r\n")), 426),
        row("a_long_header", "a header of 64 KiB", head(GET, &format!("X: {}\r\n", "x".repeat(64 * 1024))), 431),
        row("many_headers", "500 headers", head(GET, &"X: y\r\n".repeat(500)), 431),
        row("half_a_head", "half a head, and silence", format!("{GET}\r\nHost: x\r\nUpgrade"), 408),
    ]
}

/// Requests of SockJS at `/sockjs`, where pages of the same origin may come. `s` is the session that is there.
fn sockjs() -> Vec<Row> {
    let row = |name, shown: &str, request: String, gets| Row {
        name,
        shown: shown.to_owned(),
        input: Input::Client(FromClient::SockJs(request)),
        gets,
        rule: SOCKJS,
    };
    let plain = |method: &str, path: &str| format!("{method} /sockjs{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let sent_with = |headers: &str, body: &str| format!("POST /sockjs/0/s/xhr_send HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}");
    let sent = |body: &str| sent_with(&format!("Content-Length: {}\r\n", body.len()), body);
    let chunks = |body: &str| sent_with("Transfer-Encoding: chunked\r\n", body);
    let long = "x".repeat(2 * 1024 * 1024);
    vec![
        row("sockjs_of_no_such_transport", "`GET /sockjs/0/s/polling`", plain("GET", "/0/s/polling"), Gets::Status(404)),
        row("sockjs_with_a_dot_in_its_id", "`POST /sockjs/0/s.s/xhr`", plain("POST", "/0/s.s/xhr"), Gets::Status(404)),
        row("sockjs_by_another_method", "`GET /sockjs/0/s/xhr`", plain("GET", "/0/s/xhr"), Gets::Status(405)),
        row(
            "sockjs_that_hides_its_origin",
            "`GET /sockjs/0/s/jsonp?c=f` where not all origins are allowed",
            plain("GET", "/0/s/jsonp?c=f"),
            Gets::Status(404),
        ),
        row(
            "sockjs_from_another_origin",
            "a list of messages with another `Origin`",
            sent_with("Origin: http://evil\r\nContent-Length: 2\r\n", "[]"),
            Gets::Status(403),
        ),
        row(
            "sockjs_for_nobody",
            "a list of messages for a session that is not there",
            plain("POST", "/0/nobody/xhr_send"),
            Gets::Status(404),
        ),
        row("sockjs_without_a_body", "no body", sent(""), Gets::Status(500)),
        row("sockjs_of_half_a_list", "`[\"x`", sent("[\"x"), Gets::Status(500)),
        row("sockjs_of_numbers", "`[\"{}\",1]`", sent("[\"{}\",1]"), Gets::Status(500)),
        row("sockjs_of_half_a_character", "`[\"\\ud800\"]`", sent("[\"\\ud800\"]"), Gets::Status(500)),
        row("sockjs_of_no_messages", "`[]`", sent("[]"), Gets::Status(204)),
        row("sockjs_of_no_json_rpc", "`[\"rubbish\"]`", sent("[\"rubbish\"]"), Gets::Error("null", -32700, "at byte 0")),
        row(
            "sockjs_of_a_message_that_is_too_long",
            "a list of a message of two megabytes",
            sent(&format!("[\"{long}\"]")),
            Gets::Closed(1009, "Message too big"),
        ),
        row(
            "sockjs_of_a_body_that_is_too_long",
            "a body of four megabytes",
            sent_with("Content-Length: 4194304\r\n", ""),
            Gets::Status(413),
        ),
        row(
            "sockjs_of_two_lengths",
            "`Content-Length: 2` and `Content-Length: 3`",
            sent_with("Content-Length: 2\r\nContent-Length: 3\r\n", "[] "),
            Gets::Status(400),
        ),
        row(
            "sockjs_of_a_length_and_chunks",
            "`Content-Length: 2` and `Transfer-Encoding: chunked`",
            sent_with("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\n[]\r\n0\r\n\r\n"),
            Gets::Status(400),
        ),
        row("sockjs_in_another_encoding", "`Transfer-Encoding: gzip`", sent_with("Transfer-Encoding: gzip\r\n", ""), Gets::Status(501)),
        row("sockjs_of_a_chunk_without_a_size", "a chunk whose size is empty", chunks("\r\n[]\r\n0\r\n\r\n"), Gets::Status(400)),
        row("sockjs_of_a_chunk_that_is_too_long", "a chunk of 2^64 - 1 bytes", chunks("ffffffffffffffff\r\n"), Gets::Status(413)),
        row(
            "sockjs_of_a_chunk_that_is_longer_than_it_says",
            "a chunk of one byte that has two",
            chunks("1\r\n[]\r\n0\r\n\r\n"),
            Gets::Status(400),
        ),
        Row {
            name: "sockjs_of_half_a_list_over_a_websocket",
            shown: "`[\"x`".into(),
            input: Input::Client(FromClient::Carried("[\"x")),
            gets: Gets::Closed(1007, "Broken JSON encoding"),
            rule: SOCKJS,
        },
    ]
}

fn bounds() -> Vec<Row> {
    let row = |name, shown: &str, bound, gets, rule| Row {
        name,
        shown: shown.into(),
        input: Input::Client(FromClient::OneMore(bound)),
        gets,
        rule,
    };
    vec![
        row("one_handshake_too_many", "a connection more than may be in their handshake", Bound::Handshakes, Gets::Status(503), HANDSHAKE),
        row("one_transport_too_many", "a transport more than there may be", Bound::Transports, Gets::Closed(1013, ""), HANDSHAKE),
        row("one_session_too_many", "a session more than there may be", Bound::Sessions, Gets::Closed(1013, ""), HANDSHAKE),
        row("silence", "a transport without a session that says nothing", Bound::Silence, Gets::Closed(1008, ""), HANDSHAKE),
        row("one_guess_too_many", "more unknown sessions than one address may name", Bound::Guesses, Gets::Closed(1008, ""), METHODS),
        row(
            "one_request_too_many",
            "requests that name a session over one new transport after the other, more than it has room for",
            Bound::Requests,
            Gets::Closed(1013, "Too many requests in flight"),
            HANDSHAKE,
        ),
    ]
}

fn answers() -> Vec<Row> {
    let row = |name, shown: &str, bytes, says| Row {
        name,
        shown: shown.to_owned(),
        input: Input::Server(FromServer::Answer(bytes)),
        gets: Gets::Refused(says),
        rule: "protocol.md, 7",
    };
    vec![
        row("a_bad_gateway", "`502 Bad Gateway`", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "502"),
        row("a_web_page", "`200 OK`", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", "200"),
        row("a_redirection", "`301 Moved`", b"HTTP/1.1 301 Moved\r\nLocation: ws://elsewhere/\r\n\r\n", "301"),
        row("a_mail_server", "`220 mail.example ESMTP`", b"220 mail.example ESMTP\r\n\r\n", ""),
        row("nothing_at_all", "the end of the connection", b"", ""),
        row(
            "an_upgrade_without_proof",
            "`101` without `Sec-WebSocket-Accept`",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "",
        ),
    ]
}

fn replies() -> Vec<Row> {
    let greeting = |name, members, gets, rule| Row {
        name,
        shown: format!("to `connect`: `{members}`"),
        input: Input::Server(FromServer::Greeting(members)),
        gets,
        rule,
    };
    let welcome = |name, members| Row {
        name,
        shown: format!("to `connect` of a client that comes back: `{members}`"),
        input: Input::Server(FromServer::Welcome(members)),
        gets: Gets::Renewed,
        rule: RESUMPTION,
    };
    let reply = |name, members, says| Row {
        name,
        shown: format!("to a call: `{members}`"),
        input: Input::Server(FromServer::Reply(members)),
        gets: Gets::CallFails(says),
        rule: JSON,
    };
    vec![
        greeting("a_greeting_without_a_session", r#""result":{"value":"OK"}"#, Gets::Connected, LIFE),
        greeting("a_greeting_that_is_null", r#""result":null"#, Gets::Connected, LIFE),
        greeting("a_server_without_sessions", r#""error":{"code":-32601,"message":"m"}"#, Gets::Connected, LIFE),
        greeting("a_refusal", r#""error":{"code":-32000,"message":"not today"}"#, Gets::Refused("not today"), LIFE),
        greeting("a_greeting_and_a_refusal", r#""result":{},"error":null"#, Gets::Refused(""), JSON),
        greeting("a_refusal_without_a_code", r#""error":{}"#, Gets::Refused(""), JSON),
        greeting(
            "messages_received_before_any_was_sent",
            r#""result":{"value":"OK","sessionId":"S","resume":{"received":5}}"#,
            Gets::Refused(""),
            RESUMPTION,
        ),
        welcome("a_server_that_has_forgotten", r#""error":{"code":40007,"message":"reconnection error"}"#),
        welcome("more_received_than_was_sent", r#""result":{"value":"reconnection successful","sessionId":"S","resume":{"received":2}}"#),
        welcome("another_session", r#""result":{"value":"reconnection successful","sessionId":"T","resume":{"received":0}}"#),
        reply("a_result_and_an_error", r#""result":1,"error":{"code":1,"message":"m"}"#, "both result and error"),
        reply("an_error_beside_null", r#""result":null,"error":{"code":1,"message":"m"}"#, "both result and error"),
        reply("an_error_that_is_a_text", r#""error":"no""#, "error must be an object"),
        reply("an_error_without_a_code", r#""error":{"message":"m"}"#, "error.code must be an integer"),
        reply("a_result_of_another_type", r#""result":{"value":"five"}"#, "unexpected result"),
    ]
}

/// A server's text frame.
fn unmasked(text: &str) -> Vec<u8> {
    [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn served() -> Vec<Row> {
    let row = |name, shown: &str, bytes: &[u8], gets, rule| Row {
        name,
        shown: shown.to_owned(),
        input: Input::Server(FromServer::Served(bytes.to_vec())),
        gets,
        rule,
    };
    vec![
        row("the_end", "the end of the connection", b"", Gets::ReconnectedSilently, "protocol.md, 7"),
        row("a_goodbye_of_the_server", "a Close frame, 1001", b"\x88\x02\x03\xe9", Gets::Reconnected(1001), "protocol.md, 7"),
        row("a_masked_frame", "a frame with a mask", b"\x81\x82\0\0\0\0{}", Gets::Reconnected(1002), "RFC 6455, 5.1"),
        row("opcode_3_of_the_server", "a frame with opcode 3", b"\x83\x00", Gets::Reconnected(1002), "RFC 6455, 5.2"),
        row(
            "a_length_that_no_server_can_send",
            "a frame that announces 2^63 - 1 bytes",
            b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
            Gets::Reconnected(1009),
            "protocol.md, 9",
        ),
        row("a_binary_frame_of_the_server", "a binary frame", b"\x82\x01x", Gets::Reconnected(1003), JSON),
        row("no_utf_8_of_the_server", "text that is no UTF-8", b"\x81\x01\xff", Gets::Reconnected(1007), "RFC 6455, 8.1"),
        row(
            "http_instead_of_frames",
            "`HTTP/1.1 400 Bad Request`",
            b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            Gets::Reconnected(1002),
            FRAMES,
        ),
        row("no_json_of_the_server", "`{`", b"\x81\x01{", Gets::Refuted("null", -32700), JSON),
        row("an_empty_batch_of_the_server", "`[]`", b"\x81\x02[]", Gets::Refuted("null", -32600), JSON),
        row(
            "a_server_that_connects",
            r#"`{"jsonrpc":"2.0","id":1,"method":"connect"}`"#,
            &unmasked(r#"{"jsonrpc":"2.0","id":1,"method":"connect"}"#),
            Gets::Refuted("1", -32601),
            METHODS,
        ),
        row(
            "a_server_that_calls_what_is_not_there",
            r#"`{"jsonrpc":"2.0","id":1,"method":"no such"}`"#,
            &unmasked(r#"{"jsonrpc":"2.0","id":1,"method":"no such"}"#),
            Gets::Refuted("1", -32601),
            SPEC,
        ),
        row(
            "an_answer_to_nothing_asked",
            r#"`{"jsonrpc":"2.0","id":4711,"result":{}}`"#,
            b"\x81\x27{\"jsonrpc\":\"2.0\",\"id\":4711,\"result\":{}}",
            Gets::PassedOver,
            JSON,
        ),
    ]
}

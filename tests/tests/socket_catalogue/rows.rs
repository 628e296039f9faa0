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
    /// A client sends a text frame in its session.
    Text(String),
    /// A client sends these bytes in its session.
    Frames(Vec<u8>),
    /// A client sends these bytes, and then nothing, instead of a handshake.
    Head(String),
    /// A server answers the handshake so.
    Answer(&'static [u8]),
    /// A server sends these bytes in a session.
    Served(Vec<u8>),
}

/// What it gets.
#[derive(Clone, Copy)]
pub(crate) enum Gets {
    /// An error: the answer's id as JSON, its code, and what the message says. The session goes on.
    Error(&'static str, i64, &'static str),
    /// No answer. The session goes on.
    Nothing,
    /// It is served as if nothing was wrong: the answer's id as JSON.
    Served(&'static str),
    /// A Close frame: its code, and its reason if that is laid down. The session can be resumed.
    Closed(u16, &'static str),
    /// The end of the connection, without an answer of our own. The session can be resumed.
    Ended,
    /// An HTTP status, and the end of the connection.
    Status(u16),
    /// An error of `connect`, which says this.
    Refused(&'static str),
    /// A Close frame with this code from the client, which then comes back to its session.
    Reconnected(u16),
    /// The client comes back to its session.
    ReconnectedSilently,
    /// The client passes over it.
    PassedOver,
}

const JSON: &str = "protocol.md, 1";
const SPEC: &str = "JSON-RPC 2.0, 4";
const FRAMES: &str = "RFC 6455, 5";

/// The sections of the page, and their rows.
pub(crate) fn sections() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("A client's text that is no JSON", no_json()),
        ("A client's JSON that is no request", no_request()),
        ("A client's request that cannot be done", not_done()),
        ("A client's WebSocket frames", frames()),
        ("A client's handshake", heads()),
        ("A server's handshake", answers()),
        ("A server's frames and messages", served()),
    ]
}

fn text(name: &'static str, frame: &str, gets: Gets, rule: &'static str) -> Row {
    let shown = if frame.is_empty() {
        "an empty frame".to_owned()
    } else {
        format!("`{}`", frame.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\"))
    };
    Row { name, shown, input: Input::Text(frame.to_owned()), gets, rule }
}

fn long(name: &'static str, shown: &str, frame: String, gets: Gets, rule: &'static str) -> Row {
    Row { name, shown: shown.to_owned(), input: Input::Text(frame), gets, rule }
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
        long("ten_thousand_levels", "10,000 times `[`, and as many `]`", format!("{open}{close}"), bad("deep"), JSON),
    ]
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
        text("an_id_that_is_an_object", r#"{"jsonrpc":"2.0","id":{},"method":"echo"}"#, bad("null", "id"), SPEC),
        text("an_id_that_is_true", r#"{"jsonrpc":"2.0","id":true,"method":"echo"}"#, bad("null", "id"), SPEC),
        long(
            "an_id_of_300_bytes",
            "an id of 300 bytes",
            format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"echo"}}"#, "i".repeat(300)),
            bad("null", "id"),
            JSON,
        ),
        long("a_batch_of_1025", "a batch of 1,025 messages", format!("[{}1]", "1,".repeat(1024)), bad("null", ""), JSON),
        text("an_answer_to_nothing", r#"{"jsonrpc":"2.0","id":4711,"result":{}}"#, Gets::Nothing, "protocol.md, 1"),
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
        text(
            "a_session_that_nobody_has",
            r#"{"jsonrpc":"2.0","id":1001,"method":"connect","params":{"sessionId":"x"}}"#,
            bad(40007, "reconnection error"),
            "protocol.md, 3",
        ),
    ]
}

fn frames() -> Vec<Row> {
    let row =
        |name, shown: &str, bytes: Vec<u8>, gets, rule| Row { name, shown: shown.to_owned(), input: Input::Frames(bytes), gets, rule };
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
        input: Input::Head(bytes),
        gets: Gets::Status(status),
        rule: "protocol.md, 9",
    };
    let good = format!("{UPGRADE}{KEY}{VERSION}");
    vec![
        row("no_http", "`nonsense`", "nonsense\r\n\r\n".into(), 400),
        row("a_tls_hello", "a TLS handshake", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n".into(), 400),
        row("a_page", "`GET /` without an upgrade", head(GET, "Host: x\r\n"), 426),
        row("a_form", "`POST /`", head("POST / HTTP/1.1", "Host: x\r\n"), 405),
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

fn answers() -> Vec<Row> {
    let row = |name, shown: &str, bytes, says| Row {
        name,
        shown: shown.to_owned(),
        input: Input::Answer(bytes),
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

fn served() -> Vec<Row> {
    let row = |name, shown: &str, bytes: &[u8], gets, rule| Row {
        name,
        shown: shown.to_owned(),
        input: Input::Served(bytes.to_vec()),
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
        row("no_json_of_the_server", "`{`", b"\x81\x01{", Gets::PassedOver, JSON),
        row("an_empty_batch_of_the_server", "`[]`", b"\x81\x02[]", Gets::PassedOver, JSON),
        row(
            "an_answer_to_nothing_asked",
            r#"`{"jsonrpc":"2.0","id":4711,"result":{}}`"#,
            b"\x81\x27{\"jsonrpc\":\"2.0\",\"id\":4711,\"result\":{}}",
            Gets::PassedOver,
            JSON,
        ),
    ]
}

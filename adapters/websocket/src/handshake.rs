use alloc::string::String;
use data_encoding::BASE64;
use sha1::{Digest, Sha1};

/// What every server knows (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The length of 20 bytes in base64.
const ACCEPT: usize = 28;
/// The length of 16 bytes in base64.
const KEY: usize = 24;

/// The `Sec-WebSocket-Accept` with which a server answers the `Sec-WebSocket-Key` of a client (RFC 6455 section 4.2.2).
///
/// ```
/// assert_eq!(bowline_websocket::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    let mut text = [0; ACCEPT];
    BASE64.encode_mut(&hash.finalize(), &mut text);
    text.iter().copied().map(char::from).collect()
}

/// The `Sec-WebSocket-Key` of a client (RFC 6455 section 4.1), made of 16 random bytes.
#[must_use]
pub fn request_key(random: [u8; 16]) -> String {
    let mut text = [0; KEY];
    BASE64.encode_mut(&random, &mut text);
    text.iter().copied().map(char::from).collect()
}

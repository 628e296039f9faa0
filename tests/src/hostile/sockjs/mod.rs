//! SockJS: URLs and payloads against a second reading of the protocol, and the life of a session against a client that reads what it is sent.

mod life;
mod text;

use arbitrary::Arbitrary;

/// What is looked at.
#[derive(Arbitrary, Clone, Debug)]
pub enum Script {
    /// A path below that of a service.
    Url(text::Url),
    /// What a client posts.
    Payload(text::Payload),
    /// What names a function.
    Callback(String),
    /// A session, and what happens to it.
    Life(life::Settings, Vec<life::Operation>),
}

/// Looks at it.
///
/// # Panics
///
/// If anything does not hold.
pub fn run(script: Script) {
    match script {
        Script::Url(url) => text::check_url(&url.into_text()),
        Script::Payload(payload) => text::check_payload(&payload.into_text()),
        Script::Callback(query) => text::check_callback(&query),
        Script::Life(settings, operations) => life::run(&settings, operations),
    }
}

//! The demo methods about the session: what it remembers, how it ends.

use bowline_tokio::{Context, ErrorObject, Router, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

const LONGEST_GRACE: Duration = Duration::from_secs(3600);

pub(super) fn add_to(router: Router) -> Router {
    router
        .method_with("count", async |(), cx: Context| Ok::<_, ErrorObject>(Count::next(&cx)))
        .method_with("whoami", async |(), cx: Context| Ok::<_, ErrorObject>(WhoAmI::new(&cx)))
        .method_with("set-grace", async |grace: Grace, cx: Context| {
            // Sessions of clients that never come back would fill the server.
            cx.session().set_reconnection_timeout(Duration::from_millis(grace.ms).min(LONGEST_GRACE));
            Ok::<_, ErrorObject>(json!({"ok": true}))
        })
        .method_with("close-me", async |(), cx: Context| {
            cx.session().close();
            Ok::<_, ErrorObject>(json!({"closing": true}))
        })
        .method_with("close-transport", async |(), cx: Context| {
            cx.session().disconnect();
            Ok::<_, ErrorObject>(json!({"cut": true}))
        })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    count: u64,
    is_new: bool,
}

impl Count {
    fn next(cx: &Context) -> Self {
        let mut count = 0;
        cx.session().update_attribute("count", |before: Option<u64>| {
            count = before.unwrap_or(0) + 1;
            Some(count)
        });
        Self { count, is_new: cx.is_new() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhoAmI {
    session_id: Option<String>,
    path: String,
    transport: Option<&'static str>,
}

impl WhoAmI {
    fn new(cx: &Context) -> Self {
        let session = cx.session();
        Self {
            session_id: session.id().as_ref().map(SessionId::reveal),
            path: session.path().to_owned(),
            transport: session.transport().map(|transport| transport.kind.as_str()),
        }
    }
}

/// A reconnection timeout in milliseconds.
#[derive(Deserialize)]
struct Grace {
    ms: u64,
}

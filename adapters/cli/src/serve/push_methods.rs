//! The demo methods by which server and client call and notify each other.

use super::tasks::Tasks;
use crate::json;
use bowline_tokio::{CallError, Context, ErrorObject, HandlerError, Json, Router, Session};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::error::Error;
use std::time::Duration;

pub(super) fn add_to(router: Router, tasks: &Tasks) -> Router {
    let tasks = tasks.clone();
    router
        .method_with("notify-me", notify_me)
        .method_with("notify-later", move |plan: NotifyLater, cx: Context| {
            let started = tasks.spawn(plan.run(cx.session().clone()));
            async move { started.map(|()| json!({"ok": true})) }
        })
        .method_with("ask-me", ask_me)
        .raw("log", async |params, cx: Context| {
            Log::add(cx.session(), params);
            Ok::<_, ErrorObject>(None)
        })
        .method_with("logged", async |(), cx: Context| Logged::of(cx.session()))
}

#[derive(Deserialize)]
struct NotifyMe {
    n: u64,
    #[serde(default = "event")]
    method: String,
}

fn event() -> String {
    "event".into()
}

#[derive(Serialize)]
struct Event {
    i: u64,
}

async fn notify_me(params: NotifyMe, cx: Context) -> Result<serde_json::Value, ErrorObject> {
    for i in 0..params.n {
        cx.session().notify(&params.method, Event { i }).await.map_err(not_delivered)?;
    }
    Ok(json!({"sent": params.n}))
}

/// The client learns why: it is about itself, and nothing went wrong in here.
fn not_delivered(error: impl Error) -> ErrorObject {
    ErrorObject::new(ErrorObject::INTERNAL_ERROR, error.to_string())
}

/// Times in milliseconds.
#[derive(Deserialize)]
struct NotifyLater {
    n: u64,
    delay: u64,
    every: u64,
}

impl NotifyLater {
    async fn run(self, session: Session) {
        tokio::time::sleep(Duration::from_millis(self.delay)).await;
        for i in 0..self.n {
            if i > 0 {
                tokio::time::sleep(Duration::from_millis(self.every)).await;
            }
            if session.notify("event", Event { i }).await.is_err() {
                // The session is closed.
                return;
            }
        }
    }
}

#[derive(Deserialize)]
struct AskMe {
    method: String,
    params: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Asked {
    Answer(Box<RawValue>),
    Error(AskedError),
}

#[derive(Serialize)]
struct AskedError {
    code: i64,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
}

async fn ask_me(question: AskMe, cx: Context) -> Result<Asked, HandlerError> {
    // The client may take its time, or call the server before it answers.
    cx.start_async();
    let params = question.params.map(|raw| json::from_raw(&raw)).transpose()?;
    match cx.session().call_raw(&question.method, params).await {
        Ok(answer) => Ok(Asked::Answer(json::to_raw(&answer)?)),
        Err(CallError::Peer(error)) => Ok(Asked::Error(AskedError {
            code: error.code,
            message: error.message.into_owned(),
            data: error.data.as_ref().map(json::to_raw).transpose()?,
        })),
        Err(error) => Err(not_delivered(error).into()),
    }
}

/// The notifications that a session has sent.
#[derive(Clone, Default)]
struct Log {
    count: u64,
    last: Option<Json<'static>>,
}

impl Log {
    const ATTRIBUTE: &str = "log";

    fn add(session: &Session, params: Option<Json<'static>>) {
        session.update_attribute(Self::ATTRIBUTE, |log: Option<Self>| {
            let count = log.map_or(0, |log| log.count) + 1;
            Some(Self { count, last: params })
        });
    }
}

#[derive(Serialize)]
struct Logged {
    count: u64,
    last: Option<Box<RawValue>>,
}

impl Logged {
    fn of(session: &Session) -> Result<Self, HandlerError> {
        let log = session.attribute::<Log>(Log::ATTRIBUTE).unwrap_or_default();
        Ok(Self { count: log.count, last: log.last.as_ref().map(json::to_raw).transpose()? })
    }
}

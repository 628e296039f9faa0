//! The demo methods that are nothing but a call and its answer.

use crate::json;
use bowline_tokio::{Context, ErrorObject, HandlerError, Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;

/// What `fail` answers with.
const DEMO_FAILURE: i64 = 1001;
/// The most that `big` gives: a client must not be able to use up the server's memory.
const MAX_BIG: usize = 32 << 20;

pub(super) fn add_to(router: Router) -> Router {
    router
        .raw("echo", async |params: Option<Json<'static>>, _| Ok::<_, ErrorObject>(params))
        .method("add", async |add: Add| add.sum())
        .method_with("sleep", async |pause: Pause, cx: Context| {
            cx.start_async();
            Ok::<_, ErrorObject>(pause.wait().await)
        })
        .method("slow", async |pause: Pause| Ok::<_, ErrorObject>(pause.wait().await))
        .raw("fail", fail)
        .method("panic", panic)
        .method("empty", async |()| Ok::<(), ErrorObject>(()))
        .method("big", async |big: Big| big.text())
}

#[derive(Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

impl Add {
    fn sum(&self) -> Result<i64, ErrorObject> {
        self.a.checked_add(self.b).ok_or_else(|| ErrorObject::invalid_params("the sum of `a` and `b` is too big"))
    }
}

/// A time to let pass, in milliseconds.
#[derive(Deserialize)]
struct Pause {
    ms: u64,
}

#[derive(Serialize)]
struct Slept {
    slept: u64,
}

impl Pause {
    async fn wait(self) -> Slept {
        tokio::time::sleep(Duration::from_millis(self.ms)).await;
        Slept { slept: self.ms }
    }
}

#[derive(Serialize)]
struct FailureData<'a> {
    r#type: &'static str,
    params: Option<&'a RawValue>,
}

async fn fail(params: Option<Json<'static>>, _: Context) -> Result<Option<Json<'static>>, HandlerError> {
    let params = params.as_ref().map(json::as_raw).transpose()?;
    let data = Json::from_value(&FailureData { r#type: "DEMO_FAILURE", params })?;
    Err(ErrorObject::new(DEMO_FAILURE, "demo failure").with_data(data).into())
}

#[expect(clippy::panic, reason = "to show what a handler's panic costs: its own call, and nothing else")]
async fn panic((): ()) -> Result<(), ErrorObject> {
    panic!("demo panic")
}

#[derive(Deserialize)]
struct Big {
    bytes: usize,
}

#[derive(Serialize)]
struct BigText {
    text: String,
}

impl Big {
    fn text(&self) -> Result<BigText, ErrorObject> {
        if self.bytes > MAX_BIG {
            return Err(ErrorObject::invalid_params("`bytes` may be 33554432 at most"));
        }
        Ok(BigText { text: "x".repeat(self.bytes) })
    }
}

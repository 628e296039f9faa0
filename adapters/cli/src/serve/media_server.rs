//! A pretended Kurento Media Server: just enough of one for the real kurento-client to create objects, connect them and hear their
//! events. No media flows. It is an application like any other: sessions, heartbeat and reconnection are the library's.

use super::media_objects::{Kind, MediaObject, MediaObjects, description, no_such_operation};
use super::tasks::Tasks;
use bowline_tokio::{Context, ErrorObject, HandlerError, Router, Session};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const STATE: &str = "media objects";
const METHODS: [&str; 6] = ["describe", "create", "invoke", "subscribe", "unsubscribe", "release"];
/// The time from one event of the gathering of candidates to the next.
const GATHERING_PACE: Duration = Duration::from_millis(100);
/// The most operations of a transaction: their answers go into one message.
const MAX_OPERATIONS: usize = 256;

type State = Arc<Mutex<MediaObjects>>;

pub(super) fn router(tasks: &Tasks) -> Router {
    let router = Router::new().on_open(|session| session.set_attribute(STATE, State::default()));
    let router = METHODS.into_iter().fold(router, |router, method| {
        let tasks = tasks.clone();
        router.method_with(method, move |params: Value, cx: Context| {
            let tasks = tasks.clone();
            async move { Server::of(&cx, tasks).serve(method, params).await }
        })
    });
    let tasks = tasks.clone();
    router.method_with("transaction", move |params: Transaction, cx: Context| {
        let tasks = tasks.clone();
        async move { Server::of(&cx, tasks).transaction(params).await }
    })
}

/// What a request leads to.
struct Effects {
    answer: Value,
    /// Sent before the answer, if somebody has subscribed to them.
    events: Vec<Event>,
}

struct Event {
    object: String,
    kind: &'static str,
    /// What it has beside the members that every event has.
    data: Map<String, Value>,
}

#[derive(Deserialize)]
struct OfObject {
    object: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    r#type: String,
    #[serde(default)]
    constructor_params: ConstructorParams,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConstructorParams {
    media_pipeline: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invoke {
    object: String,
    operation: String,
    #[serde(default)]
    operation_params: Value,
}

#[derive(Deserialize)]
struct Subscribe {
    object: String,
    r#type: String,
}

#[derive(Deserialize)]
struct Unsubscribe {
    #[serde(default)]
    subscription: String,
}

#[derive(Deserialize)]
struct SetName {
    name: String,
}

/// All three kinds of media are connected, whatever is asked for.
#[derive(Deserialize)]
struct Connect {
    sink: String,
}

#[derive(Deserialize)]
struct Transaction {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
struct Operation {
    id: Value,
    method: String,
    #[serde(default)]
    params: Value,
}

/// One session's media server.
struct Server {
    session: Session,
    state: State,
    tasks: Tasks,
}

impl Server {
    fn of(cx: &Context, tasks: Tasks) -> Self {
        let session = cx.session().clone();
        let state = session.attribute(STATE).unwrap_or_default();
        Self { session, state, tasks }
    }

    fn with<T>(&self, f: impl FnOnce(&mut MediaObjects) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn serve(&self, method: &str, params: Value) -> Result<Value, HandlerError> {
        let Effects { answer, events } = self.execute(method, params)?;
        for event in events {
            self.raise(event).await?;
        }
        Ok(answer)
    }

    /// Runs its operations in order, up to the first that fails.
    async fn transaction(&self, transaction: Transaction) -> Result<Value, HandlerError> {
        if transaction.operations.len() > MAX_OPERATIONS {
            return Err(ErrorObject::invalid_params("a transaction may have 256 operations at most").into());
        }
        let mut answers: Vec<Value> = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        for Operation { id, method, mut params } in transaction.operations {
            resolve(&mut params, &values);
            if let Value::Object(params) = &mut params {
                params.remove("sessionId");
            }
            match self.execute(&method, params) {
                Ok(Effects { mut answer, events }) => {
                    for event in events {
                        self.raise(event).await?;
                    }
                    values.push(answer.get("value").cloned().unwrap_or_default());
                    if let (Value::Object(answer), Some(session)) = (&mut answer, self.session.id()) {
                        answer.insert("sessionId".into(), session.reveal().into());
                    }
                    answers.push(json!({"jsonrpc": "2.0", "id": id, "result": answer}));
                }
                Err(error) => {
                    answers.push(json!({"jsonrpc": "2.0", "id": id, "error": error_as_json(&error)?}));
                    break;
                }
            }
        }
        Ok(json!({"value": answers}))
    }

    fn execute(&self, method: &str, params: Value) -> Result<Effects, ErrorObject> {
        let answer = match method {
            "describe" => {
                let OfObject { object } = decode(params)?;
                description(self.with(|objects| objects.find(&object))?.kind)
            }
            "create" => {
                let Create { r#type, constructor_params } = decode(params)?;
                let pipeline = constructor_params.media_pipeline;
                json!({"value": self.with(|objects| objects.create(&r#type, pipeline.as_deref()))?})
            }
            "invoke" => return self.invoke(decode(params)?),
            "subscribe" => {
                let Subscribe { object, r#type } = decode(params)?;
                json!({"value": self.with(|objects| objects.subscribe(&object, &r#type))?})
            }
            "unsubscribe" => {
                // No word about one that is unknown: the client does this after it has released the object.
                let Unsubscribe { subscription } = decode(params)?;
                self.with(|objects| objects.unsubscribe(&subscription));
                json!({})
            }
            "release" => {
                let OfObject { object } = decode(params)?;
                self.with(|objects| objects.release(&object))?;
                json!({})
            }
            other => return Err(ErrorObject::method_not_found(other)),
        };
        Ok(Effects { answer, events: Vec::new() })
    }

    fn invoke(&self, invoke: Invoke) -> Result<Effects, ErrorObject> {
        let Invoke { object, operation, operation_params } = invoke;
        let object = self.with(|objects| objects.find(&object))?;
        let mut events = Vec::new();
        let value = match (operation.as_str(), object.kind) {
            ("getInfo", Kind::ServerManager) => server_info(),
            ("getPipelines", Kind::ServerManager) => self.with(|objects| json!(objects.pipelines())),
            ("getMediaPipeline", _) => object.parent.unwrap_or(object.id).into(),
            ("getName", _) => object.name.into(),
            ("setName", _) => {
                let SetName { name } = decode(operation_params)?;
                self.with(|objects| objects.rename(&object.id, &name))?;
                Value::Null
            }
            ("processOffer", Kind::WebRtcEndpoint) => "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=pretended\r\nt=0 0\r\n".into(),
            ("connect", kind) if kind.is_element() => {
                let Connect { sink } = decode(operation_params)?;
                self.with(|objects| objects.find(&sink))?;
                events = connected(&object, &sink);
                Value::Null
            }
            ("gatherCandidates", Kind::WebRtcEndpoint) => {
                self.gather_candidates(object.id)?;
                Value::Null
            }
            (other, _) => return Err(no_such_operation(&object, other)),
        };
        Ok(Effects { answer: json!({"value": value}), events })
    }

    /// Lets candidates be found from now on, whether the client is there to hear of them or not.
    fn gather_candidates(&self, object: String) -> Result<(), ErrorObject> {
        let server = Self { session: self.session.clone(), state: Arc::clone(&self.state), tasks: self.tasks.clone() };
        self.tasks.spawn(async move {
            let candidates = (0..3).map(|n| Event { object: object.clone(), kind: "IceCandidateFound", data: candidate(n) });
            let done = Event { object: object.clone(), kind: "IceGatheringDone", data: Map::new() };
            for event in candidates.chain([done]) {
                tokio::time::sleep(GATHERING_PACE).await;
                if server.raise(event).await.is_err() {
                    // The session is closed.
                    return;
                }
            }
        })
    }

    /// Sends an event, if somebody has subscribed to it.
    async fn raise(&self, event: Event) -> Result<(), HandlerError> {
        let Event { object, kind, mut data } = event;
        if !self.with(|objects| objects.is_subscribed(&object, kind)) {
            return Ok(());
        }
        for (name, value) in [("timestamp", json!("0")), ("timestampMillis", json!("0")), ("tags", json!([]))] {
            data.insert(name.into(), value);
        }
        data.insert("source".into(), object.as_str().into());
        data.insert("type".into(), kind.into());
        let params = json!({"value": {"object": object, "type": kind, "data": data}});
        Ok(self.session.notify("onEvent", params).await?)
    }
}

fn decode<T: DeserializeOwned>(params: Value) -> Result<T, ErrorObject> {
    // As an object without members, so that the error names the one that is missing.
    let params = if params.is_null() { json!({}) } else { params };
    T::deserialize(params).map_err(|error| ErrorObject::invalid_params(&error.to_string()))
}

/// Puts the results of earlier operations in the place of their names, `newref:N`.
fn resolve(params: &mut Value, values: &[Value]) {
    match params {
        Value::String(text) => {
            let earlier = text.strip_prefix("newref:").and_then(|n| n.parse::<usize>().ok()).and_then(|n| values.get(n));
            if let Some(value) = earlier {
                *params = value.clone();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, values)),
        Value::Object(members) => members.values_mut().for_each(|member| resolve(member, values)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn error_as_json(error: &ErrorObject) -> Result<Value, HandlerError> {
    let data: Value = error.data.as_ref().map(|data| serde_json::from_str(data.as_str())).transpose()?.unwrap_or_default();
    let kind = data.get("type").cloned().unwrap_or_default();
    Ok(json!({"code": error.code, "message": error.message, "data": data, "type": kind}))
}

fn connected(source: &MediaObject, sink: &str) -> Vec<Event> {
    let event = |media: &str| {
        let data = json!({
            "sink": sink, "mediaType": media, "sourceMediaDescription": "default", "sinkMediaDescription": "default",
        });
        Event { object: source.id.clone(), kind: "ElementConnected", data: members(data) }
    };
    ["AUDIO", "VIDEO", "DATA"].map(event).into()
}

fn candidate(n: u32) -> Map<String, Value> {
    members(json!({"candidate": {
        "__module__": "kurento", "__type__": "IceCandidate",
        "candidate": format!("candidate:{n}"), "sdpMid": "0", "sdpMLineIndex": 0,
    }}))
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn server_info() -> Value {
    const VERSION: &str = "7.3.0";
    // The client refuses a server without these three.
    let modules =
        ["core", "elements", "filters"].map(|name| json!({"name": name, "version": VERSION, "generationTime": "", "factories": []}));
    json!({"version": VERSION, "type": "KMS", "capabilities": ["transactions"], "modules": modules})
}

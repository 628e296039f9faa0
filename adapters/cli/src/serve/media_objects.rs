//! The media objects of one session, and what may go wrong with them.

use bowline_tokio::{ErrorObject, Json};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The object that always exists.
const MANAGER: &str = "manager_ServerManager";
/// The most objects of a session, and the most subscriptions.
const MAX_ENTRIES: usize = 1_000;
/// The longest name of an object or an event, in bytes.
const MAX_NAME: usize = 256;

const TYPE_NOT_FOUND: (i64, &str) = (40100, "MEDIA_OBJECT_TYPE_NOT_FOUND");
const OBJECT_NOT_FOUND: (i64, &str) = (40101, "MEDIA_OBJECT_NOT_FOUND");
const METHOD_NOT_FOUND: (i64, &str) = (40105, "MEDIA_OBJECT_METHOD_NOT_FOUND");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ServerManager,
    MediaPipeline,
    WebRtcEndpoint,
    PassThrough,
}

impl Kind {
    /// The type that clients can create by this name, with or without its module.
    fn creatable(name: &str) -> Option<Self> {
        let name = name.strip_prefix("kurento.").unwrap_or(name);
        [Self::MediaPipeline, Self::WebRtcEndpoint, Self::PassThrough].into_iter().find(|kind| kind.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ServerManager => "ServerManager",
            Self::MediaPipeline => "MediaPipeline",
            Self::WebRtcEndpoint => "WebRtcEndpoint",
            Self::PassThrough => "PassThrough",
        }
    }

    /// Whether media flows through it.
    pub(super) fn is_element(self) -> bool {
        matches!(self, Self::WebRtcEndpoint | Self::PassThrough)
    }
}

#[derive(Clone, Debug)]
pub(super) struct MediaObject {
    pub(super) id: String,
    pub(super) kind: Kind,
    /// Its pipeline, unless it is one.
    pub(super) parent: Option<String>,
    pub(super) name: String,
}

/// Kurento Media Server keeps its objects for everybody; here each session has its own.
#[derive(Debug, Default)]
pub(super) struct MediaObjects {
    /// Oldest first.
    objects: Vec<MediaObject>,
    /// From object and event to the subscription.
    subscriptions: BTreeMap<(String, String), String>,
}

impl MediaObjects {
    pub(super) fn find(&self, id: &str) -> Result<MediaObject, ErrorObject> {
        if id == MANAGER {
            return Ok(MediaObject { id: MANAGER.into(), kind: Kind::ServerManager, parent: None, name: MANAGER.into() });
        }
        self.objects.iter().find(|object| object.id == id).cloned().ok_or_else(|| {
            let shown: String = id.chars().take(MAX_NAME).collect();
            fault(OBJECT_NOT_FOUND, format!("Object '{shown}' not found"))
        })
    }

    pub(super) fn pipelines(&self) -> Vec<&str> {
        self.objects.iter().filter(|object| object.kind == Kind::MediaPipeline).map(|object| object.id.as_str()).collect()
    }

    pub(super) fn create(&mut self, type_name: &str, pipeline: Option<&str>) -> Result<String, ErrorObject> {
        let kind = Kind::creatable(type_name).ok_or_else(|| fault(TYPE_NOT_FOUND, "Class not found".into()))?;
        self.check_room()?;
        let own = format!("{}_kurento.{}", Uuid::new_v4(), kind.name());
        let (id, parent) = if kind == Kind::MediaPipeline {
            (own, None)
        } else {
            let pipeline = self.find(pipeline.unwrap_or_default())?.id;
            (format!("{pipeline}/{own}"), Some(pipeline))
        };
        self.objects.push(MediaObject { id: id.clone(), kind, parent, name: id.clone() });
        Ok(id)
    }

    pub(super) fn rename(&mut self, id: &str, name: &str) -> Result<(), ErrorObject> {
        check_length(name)?;
        if let Some(object) = self.objects.iter_mut().find(|object| object.id == id) {
            object.name = name.into();
        }
        Ok(())
    }

    /// Forgets an object, those inside of it, and the subscriptions to all of them.
    pub(super) fn release(&mut self, id: &str) -> Result<(), ErrorObject> {
        self.find(id)?;
        let inside = format!("{id}/");
        let stays = |other: &str| other != id && !other.starts_with(&inside);
        self.objects.retain(|object| stays(&object.id));
        self.subscriptions.retain(|(object, _), _| stays(object));
        Ok(())
    }

    /// The subscription to an event of an object: the same one however often it is asked for.
    pub(super) fn subscribe(&mut self, id: &str, event: &str) -> Result<String, ErrorObject> {
        self.find(id)?;
        check_length(event)?;
        let key = (id.to_owned(), event.to_owned());
        if let Some(subscription) = self.subscriptions.get(&key) {
            return Ok(subscription.clone());
        }
        self.check_room()?;
        Ok(self.subscriptions.entry(key).or_insert_with(|| Uuid::new_v4().to_string()).clone())
    }

    pub(super) fn unsubscribe(&mut self, subscription: &str) {
        self.subscriptions.retain(|_, known| known != subscription);
    }

    pub(super) fn is_subscribed(&self, id: &str, event: &str) -> bool {
        self.subscriptions.contains_key(&(id.to_owned(), event.to_owned()))
    }

    fn check_room(&self) -> Result<(), ErrorObject> {
        if self.objects.len() < MAX_ENTRIES && self.subscriptions.len() < MAX_ENTRIES {
            return Ok(());
        }
        Err(fault((ErrorObject::TOO_MANY_REQUESTS, "NOT_ENOUGH_RESOURCES"), "Too many objects or subscriptions".into()))
    }
}

fn check_length(name: &str) -> Result<(), ErrorObject> {
    if name.len() > MAX_NAME { Err(ErrorObject::invalid_params("a name may have 256 bytes at most")) } else { Ok(()) }
}

/// An operation that the object does not have.
pub(super) fn no_such_operation(object: &MediaObject, operation: &str) -> ErrorObject {
    let shown: String = operation.chars().take(MAX_NAME).collect();
    fault(METHOD_NOT_FOUND, format!("{} has no method '{shown}'", object.kind.name()))
}

/// An error as Kurento's clients know it: they go by the type in its data.
fn fault((code, kind): (i64, &'static str), message: String) -> ErrorObject {
    let error = ErrorObject::new(code, message);
    match Json::from_value(&json!({"type": kind})) {
        Ok(data) => error.with_data(data),
        Err(_) => error,
    }
}

/// What `describe` tells of a type.
pub(super) fn description(kind: Kind) -> Value {
    json!({"type": kind.name(), "qualifiedType": format!("kurento.{}", kind.name()), "hierarchy": ["kurento.MediaObject"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_pipeline_takes_everything_in_it_along() {
        let mut objects = MediaObjects::default();
        let first = objects.create("kurento.MediaPipeline", None).unwrap();
        let second = objects.create("MediaPipeline", None).unwrap();
        let inside = objects.create("PassThrough", Some(&first)).unwrap();
        let subscription = objects.subscribe(&inside, "ElementConnected").unwrap();
        assert_eq!(objects.subscribe(&inside, "ElementConnected").unwrap(), subscription);
        assert_eq!(objects.pipelines(), [&first, &second]);

        objects.release(&first).unwrap();
        assert_eq!(objects.pipelines(), [&second]);
        assert_eq!(objects.find(&inside).unwrap_err().code, 40101);
        assert!(!objects.is_subscribed(&inside, "ElementConnected"));
        assert_eq!(objects.release(&first).unwrap_err().code, 40101);
    }

    #[test]
    fn only_what_exists_can_be_created_where_something_exists() {
        let mut objects = MediaObjects::default();
        assert_eq!(objects.create("FaceOverlayFilter", None).unwrap_err().code, 40100);
        assert_eq!(objects.create("ServerManager", None).unwrap_err().code, 40100);
        assert_eq!(objects.create("PassThrough", Some("gone")).unwrap_err().code, 40101);
        assert_eq!(objects.find(MANAGER).unwrap().kind, Kind::ServerManager);
    }

    #[test]
    fn a_session_cannot_grow_without_end() {
        let mut objects = MediaObjects::default();
        while objects.create("MediaPipeline", None).is_ok() {}
        assert_eq!(objects.pipelines().len(), MAX_ENTRIES);
        assert_eq!(objects.rename(MANAGER, &"x".repeat(MAX_NAME + 1)).unwrap_err().code, -32602);
    }
}

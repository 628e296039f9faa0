use super::command::Answer;
use super::console::Console;
use crate::json::{self, Layout};
use crate::text::harmless;
use bowline_tokio::{ErrorObject, Json, Router};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the server's requests are answered.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// What a method without an answer of its own gets.
    others: Others,
    by_method: BTreeMap<String, Json<'static>>,
}

#[derive(Clone, Copy, Default)]
enum Others {
    #[default]
    Empty,
    Refused,
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, answer: Answer) {
        let mut table = self.lock();
        match answer {
            Answer::Empty => table.others = Others::Empty,
            Answer::Refuse => table.others = Others::Refused,
            Answer::With { method, result } => {
                table.by_method.insert(method, result);
            }
        }
    }

    fn give(&self, method: &str) -> Result<Json<'static>, ErrorObject> {
        let table = self.lock();
        match (table.by_method.get(method), table.others) {
            (Some(result), _) => Ok(result.clone()),
            (None, Others::Empty) => Json::parse("{}").map_err(|_| ErrorObject::internal()),
            (None, Others::Refused) => Err(ErrorObject::method_not_found(method)),
        }
    }

    /// For a person to read.
    pub(super) fn describe(&self) -> String {
        let table = self.lock();
        let mut text = String::from(match table.others {
            Others::Empty => "requests of the server are answered with {}",
            Others::Refused => "requests of the server are refused",
        });
        for (method, result) in &table.by_method {
            text.push_str(&format!("\nexcept {method}, with {result}"));
        }
        text
    }

    /// Serves the server's requests and notifications: shows them, and answers as set.
    pub(super) fn router(&self, console: &Console) -> Router {
        let (answers, console) = (self.clone(), console.clone());
        Router::new().fallback(move |method, params, cx| {
            let params = params.map_or_else(String::new, |params| format!(" {}", json::laid_out(params.as_str(), Layout::Line)));
            let shown = format!("{}{params}", harmless(&method));
            let answer = if cx.is_notification() {
                console.peer(format!("notification {shown}"));
                Ok(None)
            } else {
                let answer = answers.give(&method);
                let given = match &answer {
                    Ok(result) => format!("answered {result}"),
                    Err(error) => format!("refused with {}", error.code),
                };
                console.peer(format!("request {shown}, {given}"));
                answer.map(Some)
            };
            async move { answer }
        })
    }
}

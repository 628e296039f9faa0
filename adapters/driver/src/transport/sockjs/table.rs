use super::line::{Line, Places};
use crate::limits::Gate;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A SockJS session of a server: the path that it is on, and the id that its client drew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) scope: u32,
    pub(crate) id: Box<str>,
}

/// The SockJS sessions of a server that have no connection of their own: the requests of their clients have to find them.
pub(crate) struct Table {
    lines: Mutex<HashMap<Key, Arc<Line>>>,
    gate: Arc<Gate>,
    /// Those of whose end nobody knows yet.
    untold: Arc<Gate>,
}

impl Table {
    /// One for so many at once, those included that are closed and still say so.
    pub(crate) fn new(max: usize) -> Self {
        Self { lines: Mutex::default(), gate: Gate::new(max), untold: Gate::new(usize::MAX) }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Key, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places of another one, if there is room.
    pub(crate) fn enter(&self) -> Option<Places> {
        Some(Places { session: self.gate.enter()?, untold: self.untold.enter()? })
    }

    /// Ready when all clients have been told of the end of their sessions, or are gone.
    pub(crate) fn poll_told(&self, cx: &Context<'_>) -> Poll<()> {
        self.untold.poll_empty(cx)
    }

    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Line>> {
        self.lines().get(key).cloned()
    }

    /// Adds `line`, unless one is there.
    pub(crate) fn add(&self, key: &Key, line: &Arc<Line>) -> bool {
        match self.lines().entry(key.clone()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(Arc::clone(line));
                true
            }
        }
    }

    /// Takes `line` out, if it is the one that stands there.
    pub(crate) fn remove(&self, key: &Key, line: &Arc<Line>) {
        if let Entry::Occupied(entry) = self.lines().entry(key.clone())
            && Arc::ptr_eq(entry.get(), line)
        {
            entry.remove();
        }
    }
}

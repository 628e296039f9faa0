use crate::SessionId;
use alloc::collections::BTreeMap;
use core::fmt;

/// Which session lives where: the one table that the sessions of a server share.
///
/// `H` is however the caller reaches a session: the sender of its task, an index, a thread. A session is found only in the scope
/// (the served path) in which it was put, so that `connect` on another path does not find it (PROTOCOL 3). It is touched when a session
/// opens, closes or is handed a transport; never for a message.
#[derive(Debug)]
pub struct Directory<H> {
    sessions: BTreeMap<SessionId, (u32, H)>,
    max: usize,
}

/// The directory holds as many sessions as it may; the handle comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct DirectoryFull<H>(pub H);

impl<H> fmt::Display for DirectoryFull<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has as many sessions as it may")
    }
}

impl<H: fmt::Debug> core::error::Error for DirectoryFull<H> {}

impl<H> Directory<H> {
    /// An empty directory for at most `max` sessions.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { sessions: BTreeMap::new(), max }
    }

    /// Puts a session in, when it opens.
    ///
    /// # Errors
    ///
    /// If it is full. Nothing is changed then.
    pub fn insert(&mut self, id: &SessionId, scope: u32, handle: H) -> Result<(), DirectoryFull<H>> {
        if self.sessions.len() >= self.max && !self.sessions.contains_key(id) {
            return Err(DirectoryFull(handle));
        }
        self.sessions.insert(id.clone(), (scope, handle));
        Ok(())
    }

    /// The session `id` of `scope`.
    #[must_use]
    pub fn find(&self, id: &SessionId, scope: u32) -> Option<&H> {
        self.sessions.get(id).filter(|(of, _)| *of == scope).map(|(_, handle)| handle)
    }

    /// Takes a session out, when it has closed.
    pub fn remove(&mut self, id: &SessionId) -> Option<H> {
        self.sessions.remove(id).map(|(_, handle)| handle)
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Every session of every scope.
    pub fn iter(&self) -> impl Iterator<Item = (&SessionId, &H)> {
        self.sessions.iter().map(|(id, (_, handle))| (id, handle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_in_its_scope_only_and_the_table_is_bounded() {
        let (a, b) = (SessionId::from_random([1; 16]), SessionId::from_random([2; 16]));
        let mut directory = Directory::new(1);
        assert_eq!(directory.insert(&a, 0, "a"), Ok(()));
        assert_eq!(directory.insert(&b, 0, "b"), Err(DirectoryFull("b")));
        assert_eq!((directory.find(&a, 0), directory.find(&a, 1), directory.find(&b, 0)), (Some(&"a"), None, None));
        assert_eq!((directory.remove(&a), directory.len()), (Some("a"), 0));
    }
}

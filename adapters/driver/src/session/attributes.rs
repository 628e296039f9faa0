use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

/// Values of any type by name, which live as long as a session: they are dropped when it has closed and its handler knows. Kurento: `Session.getAttributes`.
///
/// An interceptor adds them before the session exists; a handler reads and changes them through its [`Session`](crate::Session).
#[derive(Default)]
pub struct Attributes(BTreeMap<Box<str>, Attribute>);

pub(crate) type Attribute = Box<dyn Any + Send>;

impl Attributes {
    /// Sets `name` to `value`; what it was is dropped.
    pub fn set<T: Send + 'static>(&mut self, name: &str, value: T) {
        drop(self.replace(name, value));
    }

    /// Sets `name` to `value`, and gives back what it was.
    pub(crate) fn replace<T: Send + 'static>(&mut self, name: &str, value: T) -> Option<Attribute> {
        self.0.insert(name.into(), Box::new(value))
    }

    /// The value of `name`, if there is one and it is a `T`.
    #[must_use]
    pub fn get<T: 'static>(&self, name: &str) -> Option<&T> {
        self.0.get(name)?.downcast_ref()
    }

    /// Takes `name` out. Returns whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.take_any(name).is_some()
    }

    /// Takes `name` out, whatever it is.
    pub(crate) fn take_any(&mut self, name: &str) -> Option<Attribute> {
        self.0.remove(name)
    }

    /// Takes the value of `name` out, if it is a `T`.
    pub(crate) fn take<T: 'static>(&mut self, name: &str) -> Option<T> {
        if !self.0.get(name)?.is::<T>() {
            return None;
        }
        self.0.remove(name)?.downcast().ok().map(|value| *value)
    }

    /// Adds those of `other` whose names are free: what a session has wins over what a later transport brings. Gives back the others.
    pub(crate) fn add_missing(&mut self, other: Self) -> Self {
        let (taken, free) = other.0.into_iter().partition(|(name, _)| self.0.contains_key(name));
        self.0.append(&mut { free });
        Self(taken)
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_name_and_type() {
        let mut attributes = Attributes::default();
        attributes.set("n", 1_u32);
        assert_eq!((attributes.get::<u32>("n"), attributes.get::<i32>("n"), attributes.get::<u32>("m")), (Some(&1), None, None));
        assert_eq!((attributes.take::<i32>("n"), attributes.take::<u32>("n"), attributes.remove("n")), (None, Some(1), false));
    }

    #[test]
    fn what_a_session_has_wins() {
        let (mut old, mut new) = (Attributes::default(), Attributes::default());
        old.set("user", "ada");
        new.set("user", "eve");
        new.set("agent", "x");
        assert_eq!(old.add_missing(new).get("user"), Some(&"eve"));
        assert_eq!((old.get("user"), old.get("agent")), (Some(&"ada"), Some(&"x")));
    }
}

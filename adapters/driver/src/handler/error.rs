use bowline_core::ErrorObject;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a handler fails.
///
/// Every type that implements [`Error`] becomes one by `?`. An [`ErrorObject`] is the answer as it is; of any other error the peer learns only that
/// there was one (-32603), and the application gets it in its error event. `Box<dyn Error + Send + Sync>`, `anyhow::Error` and the like do not implement [`Error`]: see [`new`](Self::new).
pub struct HandlerError(Kind);

enum Kind {
    Answer(ErrorObject),
    Uncaught(Box<dyn Error + Send + Sync>),
}

impl HandlerError {
    /// One from an error that `?` does not take: a `Box<dyn Error + Send + Sync>`, an `anyhow::Error`, a text. What becomes of it is the same as with `?`. An [`ErrorObject`] in a
    /// box is still the answer; one that another error has wrapped is not.
    ///
    /// ```
    /// use bowline::{HandlerError, Router};
    /// use std::error::Error;
    ///
    /// fn look_up(name: &str) -> Result<u32, Box<dyn Error + Send + Sync>> {
    ///     Ok(name.parse()?)
    /// }
    ///
    /// let router = Router::new().method("look_up", async |name: String| {
    ///     let number = look_up(&name).map_err(HandlerError::new)?;
    ///     Ok::<_, HandlerError>(number + 1)
    /// });
    /// ```
    #[must_use]
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::uncaught(error.into())
    }

    /// The answer, or the error that is none of the peer's business.
    pub(crate) fn into_answer(self) -> Result<ErrorObject, Box<dyn Error + Send + Sync>> {
        match self.0 {
            Kind::Answer(error) => Ok(error),
            Kind::Uncaught(error) => Err(error),
        }
    }

    pub(crate) fn uncaught(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<ErrorObject>() {
            Ok(answer) => Self(Kind::Answer(*answer)),
            Err(error) => Self(Kind::Uncaught(error)),
        }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::uncaught(Box::new(error))
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Answer(error) => error.fmt(f),
            Kind::Uncaught(error) => error.fmt(f),
        }
    }
}

/// A handler panicked; what it said.
#[derive(Debug)]
pub(crate) struct Panicked(String);

/// Calls the application's code, whose panic must harm nobody else.
pub(crate) fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    // What the closure has touched is the application's, or is not looked at again after a panic.
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let panicked = Panicked::new(&*payload);
        // What it panicked with may panic itself when it is dropped; of that nothing more is asked.
        if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(worse);
        }
        panicked
    })
}

impl Panicked {
    fn new(payload: &(dyn Any + Send)) -> Self {
        let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self(said.unwrap_or("no message").to_owned())
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the handler panicked: {}", self.0)
    }
}

impl Error for Panicked {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_object_is_the_answer_and_anything_else_is_not() {
        let answer = ErrorObject::new(7, "seven");
        assert_eq!(HandlerError::from(answer.clone()).into_answer().unwrap(), answer);
        let error = HandlerError::from(std::io::Error::other("disk")).into_answer().unwrap_err();
        assert_eq!(error.to_string(), "disk");
    }

    #[test]
    fn what_is_boxed_is_what_it_would_be_without_its_box() {
        let boxed = |error: Box<dyn Error + Send + Sync>| HandlerError::new(error).into_answer();
        let answer = ErrorObject::new(7, "seven");
        assert_eq!(boxed(answer.clone().into()).unwrap(), answer);
        assert!(boxed(std::io::Error::other("disk").into()).unwrap_err().is::<std::io::Error>());
        assert_eq!(HandlerError::new("a text").into_answer().unwrap_err().to_string(), "a text");
    }

    #[test]
    fn what_is_panicked_with_may_panic() {
        struct Worse(u32);
        impl Drop for Worse {
            fn drop(&mut self) {
                std::panic::panic_any(Worse(self.0 + 1));
            }
        }
        let panicked = guarded(|| std::panic::panic_any(Worse(0))).unwrap_err();
        assert_eq!(panicked.to_string(), "the handler panicked: no message");
    }
}

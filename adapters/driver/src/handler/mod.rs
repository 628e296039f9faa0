mod dispatch;
mod error;
mod raw;
mod router;
mod transaction;

pub(crate) use dispatch::sealed::IntoDispatch;
pub use dispatch::{Answered, Context, Service};
pub(crate) use dispatch::{Dispatch, Incoming, Reply, Work};
pub use error::HandlerError;
pub(crate) use error::{Panicked, guarded};
pub use raw::Handler;
pub use router::Router;
pub use transaction::{Responder, Transaction};

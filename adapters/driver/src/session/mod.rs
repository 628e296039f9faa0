mod attributes;
mod call;
mod error;
mod handle;
mod mailbox;

pub use attributes::Attributes;
pub(crate) use call::CallTag;
pub use error::{CallError, NotifyError};
pub use handle::Session;
pub(crate) use handle::{Place, Shared};
pub(crate) use mailbox::{Ending, HandOver, Mailbox, Ordered, Urgent, Wishes};

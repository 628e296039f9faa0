use bowline_tokio::ErrorObject;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What handlers leave running behind them. There may not be any number of it: clients are free to ask.
#[derive(Clone)]
pub(super) struct Tasks(Arc<Semaphore>);

const MAX: usize = 10_000;

impl Default for Tasks {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX)))
    }
}

impl Tasks {
    /// Runs `task` beside everything else.
    ///
    /// # Errors
    ///
    /// If too many are running.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<(), ErrorObject> {
        let busy = |_| ErrorObject::new(ErrorObject::TOO_MANY_REQUESTS, "too much is running already");
        let place = Arc::clone(&self.0).try_acquire_owned().map_err(busy)?;
        tokio::spawn(async move {
            task.await;
            drop(place);
        });
        Ok(())
    }
}

//! One body, every runtime.

use bowline_smol::SmolRuntime;
use bowline_tokio::TokioRuntime;
use futures_executor::block_on;
use smol::Executor;
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Makes tests of async functions that take a [`Runtime`](bowline::Runtime): `tokio::name` and `smol::name` of each.
///
/// ```
/// use bowline::Runtime;
///
/// async fn it_works<R: Runtime>(runtime: R) {
///     runtime.bind("127.0.0.1:0").await.unwrap();
/// }
///
/// bowline_tests::both![it_works];
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod tokio {
            $(
                #[test]
                fn $name() {
                    $crate::sockets::on_tokio(super::$name);
                }
            )+
        }
        mod smol {
            $(
                #[test]
                fn $name() {
                    $crate::sockets::on_smol(super::$name);
                }
            )+
        }
    };
}

/// Runs `body` against tokio with two threads. It runs in the caller's own, which it may block.
pub fn on_tokio<F: Future<Output = ()>>(body: impl FnOnce(TokioRuntime) -> F) {
    let runtime = build(Builder::new_multi_thread().worker_threads(2));
    let _inside = runtime.enter();
    block_on(body(TokioRuntime::new()));
}

/// Runs `body` against smol. It runs in the caller's own thread, which it may block.
pub fn on_smol<F: Future<Output = ()>>(body: impl FnOnce(SmolRuntime) -> F) {
    block_on(body(SmolRuntime::new()));
}

/// Runs `body` and everything it starts in one thread: nothing else goes on until it waits.
pub fn on_tokio_in_one_thread<F: Future<Output = ()>>(body: impl FnOnce(TokioRuntime) -> F) {
    build(&mut Builder::new_current_thread()).block_on(async { body(TokioRuntime::new()).await });
}

/// Runs `body` and everything it starts in one thread: nothing else goes on until it waits.
pub fn on_smol_in_one_thread<F: Future<Output = ()>>(body: impl FnOnce(SmolRuntime) -> F) {
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(body(SmolRuntime::on(Arc::clone(&executor)))));
}

fn build(builder: &mut Builder) -> Runtime {
    builder.enable_all().build().expect("a runtime")
}

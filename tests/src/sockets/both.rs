//! One body, every runtime.

use super::Over;
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

/// As [`both!`](crate::both), and over TLS besides: `tokio_tls::name` and `smol_tls::name` too. The functions take a [`Wire`](crate::sockets::Wire).
/// Those behind `; plain:` run without TLS only.
///
/// ```
/// use bowline_tests::sockets::{Rig, Wire};
///
/// async fn it_works(runtime: impl Wire) {
///     let (address, _server) = runtime.serve(runtime.listen(runtime.server(), "127.0.0.1:0").await.unwrap());
///     runtime.dial(&format!("ws://{address}/")).connect().await.unwrap_err();
/// }
///
/// bowline_tests::over_both_wires![it_works];
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! over_both_wires {
    ($($name:ident),+ $(,)? $(; plain: $($plain:ident),+ $(,)?)?) => {
        $crate::both![$($name,)+ $($($plain),+)?];
        mod tokio_tls {
            $(
                #[test]
                fn $name() {
                    $crate::sockets::on_tokio_tls(super::$name);
                }
            )+
        }
        mod smol_tls {
            $(
                #[test]
                fn $name() {
                    $crate::sockets::on_smol_tls(super::$name);
                }
            )+
        }
    };
}

/// Runs `body` against tokio with two threads. It runs in the caller's own, which it may block.
pub fn on_tokio<F: Future>(body: impl FnOnce(TokioRuntime) -> F) -> F::Output {
    let runtime = build(Builder::new_multi_thread().worker_threads(2));
    let _inside = runtime.enter();
    block_on(body(TokioRuntime::new()))
}

/// Runs `body` against smol. It runs in the caller's own thread, which it may block.
pub fn on_smol<F: Future>(body: impl FnOnce(SmolRuntime) -> F) -> F::Output {
    block_on(body(SmolRuntime::new()))
}

/// As [`on_tokio`], over TLS.
///
/// # Panics
///
/// If `body` has nothing to do with TLS.
pub fn on_tokio_tls<F: Future<Output = ()>>(body: impl FnOnce(Over<TokioRuntime>) -> F) {
    on_tokio(|runtime| secured(runtime, body));
}

/// As [`on_smol`], over TLS.
///
/// # Panics
///
/// If `body` has nothing to do with TLS.
pub fn on_smol_tls<F: Future<Output = ()>>(body: impl FnOnce(Over<SmolRuntime>) -> F) {
    on_smol(|runtime| secured(runtime, body));
}

async fn secured<R: bowline::Runtime, F: Future<Output = ()>>(runtime: R, body: impl FnOnce(Over<R>) -> F) {
    let runtime = Over::tls(runtime);
    body(runtime.clone()).await;
    assert!(runtime.was_used(), "this ran over ws://");
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

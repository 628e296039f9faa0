//! The conformance kit on tokio.

use bowline_tokio::TokioRuntime;
use std::sync::LazyLock;

static TOKIO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().expect("a runtime"));

bowline_tests::conformance_tests!(TokioRuntime::new(), inside TOKIO.enter());

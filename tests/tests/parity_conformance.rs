//! The conformance kit on a runtime of nothing but threads; the adapters' own tests run it on tokio and smol.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the failure")]

use bowline_tests::conformance::ThreadRuntime;

bowline_tests::conformance_tests!(ThreadRuntime);

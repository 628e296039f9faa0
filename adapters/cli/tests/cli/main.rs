//! The program as a person or a script has it: its arguments, its output, its exit codes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod bench;
mod call;
mod connect;
mod help;
mod operations;
mod packaging;
mod serve;
mod settings;
mod support;
mod tls;

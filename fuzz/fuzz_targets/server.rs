//! A server endpoint under operations: frames well formed and broken, transports that come and go, time, an application that answers, calls, closes.
//! After each: bounds, calls settled once, no answer that nobody wants, no frame while detached, deadlines ahead, misuse changes nothing.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bowline_tests::hostile::server(bytes));

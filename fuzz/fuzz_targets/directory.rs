//! Several sessions and transports on a server with two paths: ids guessed, stolen, raced, taken to the wrong path. Endpoints, transports and the
//! table of sessions agree; a session is found on its own path only; what a transport gets is of its session; guessing ends.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bowline_tests::hostile::directory(bytes));

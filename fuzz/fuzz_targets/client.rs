//! A client endpoint under operations: dials, answers to `connect` and `ping` right and wrong, requests of the server, cuts, time, an application.
//! After each: what `server` asserts; one transport at a time; in the end every call was settled.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bowline_tests::hostile::client(bytes));

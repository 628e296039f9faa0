//! Clients and a server over a hostile network: every decision of the simulation (delays, cuts between any two bytes, pauses, restarts, what the
//! applications send) is a byte of the input. The reference model checks: nothing lost, repeated, reordered or stuck.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bowline_tests::hostile::pair(bytes));

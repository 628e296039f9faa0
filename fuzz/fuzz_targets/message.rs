//! One frame against `serde_json` as the reference: the same verdict (parse error, invalid, request, answer, batch), the same ids, methods, params,
//! results and errors byte for byte, in both dialects and both roles; what is written parses back; `sessionId` is taken out or put in, and nothing else changes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bowline_tests::hostile::message(bytes));

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| subjects::claim_headers(data));

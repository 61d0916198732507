#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| subjects::authorizer_answer(data));

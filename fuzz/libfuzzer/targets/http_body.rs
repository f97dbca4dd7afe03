#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| throng_fuzz::http_body::run(data));

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bursar_fuzz::record::check(data));

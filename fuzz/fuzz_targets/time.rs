#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| apify_runs::__internals::fuzzing::time(bytes));

//! Configurations of a watch, with the rules in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watch::WatchFile;
use watch::config::RuleConfig;
use watch::rules::UserRule;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = WatchFile::parse(text);
    let _ = UserRule::compile(&RuleConfig { name: "fuzz".into(), when: text.to_owned(), ..RuleConfig::default() });
});

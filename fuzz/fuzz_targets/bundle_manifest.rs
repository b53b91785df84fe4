//! `manifest.json` of a bundle.
#![no_main]

use bundle::Manifest;
use libfuzzer_sys::fuzz_target;
use std::path::{Component, Path};

fuzz_target!(|data: &[u8]| {
    match Manifest::parse(data) {
        Err(e) => assert!(!e.to_string().is_empty()),
        Ok(manifest) => {
            for a in &manifest.artifacts {
                let inside = Path::new(&a.path).components().all(|c| matches!(c, Component::Normal(_)));
                assert!(inside, "{:?} leads out of the bundle", a.path);
                assert_eq!(manifest.artifact(&a.path), Some(a));
            }
            let json = serde_json::to_vec(&manifest).expect("a manifest is written");
            let again = Manifest::parse(&json).expect("and read again");
            assert_eq!(again, manifest);
        }
    }
});

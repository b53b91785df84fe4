//! The bundle format on disk: what is written, opened, verified and refused.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod common;

use bundle::{
    ArtifactKind, ArtifactMeta, BUNDLE_SCHEMA, Bundle, BundleError, BundleWriter, Manifest, OptionsRecord,
    TargetRecord, now, pack,
};
use model::Bytes;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use zip::write::SimpleFileOptions;

fn manifest() -> Manifest {
    Manifest {
        schema: BUNDLE_SCHEMA.into(),
        oomph: "0.0.0".into(),
        created: now(),
        finished: None,
        stopped: false,
        ended: None,
        target: TargetRecord { name: "t".into(), kind: "url".into(), ..TargetRecord::default() },
        options: OptionsRecord::default(),
        samples: vec![],
        artifacts: vec![],
        failures: vec![],
    }
}

/// A finished bundle with two artifacts.
fn small(dir: &Path) {
    let mut w = BundleWriter::create(dir, manifest()).unwrap();
    let meta = |k: &str| ArtifactMeta::new(ArtifactKind::of(k), Some(1), "/x");
    w.add("profiles/heap-1.pb.gz", &[7; 5000], meta("heap-profile")).unwrap();
    w.add("later/new-kind.bin", b"from the future", meta("hologram")).unwrap();
    w.finish(false).unwrap();
}

#[test]
fn directory_and_zip_hold_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (d, z) = (dir.path().join("b"), dir.path().join("b.oomph"));
    small(&d);
    pack(&d, &z).unwrap();
    for path in [&d, &z] {
        let b = Bundle::open(path).unwrap();
        assert_eq!(b.read("profiles/heap-1.pb.gz", Bytes::mib(1)).unwrap(), [7; 5000]);
        assert_eq!(b.manifest().artifacts[1].kind, ArtifactKind::Other("hologram".into()));
        let v = b.verify().unwrap();
        assert!(v.is_ok() && v.intact == 2 && v.extra.is_empty() && v.finished, "{v:?}");
        assert!(matches!(b.read("profiles/heap-1.pb.gz", Bytes(10)), Err(BundleError::TooLarge { .. })));
        assert!(matches!(b.read("nope", Bytes(10)), Err(BundleError::Missing(_))));
    }
    assert!(matches!(pack(&d, &z), Err(BundleError::Occupied { .. })));
    assert!(matches!(BundleWriter::create(&d, manifest()), Err(BundleError::Occupied { .. })));
}

#[test]
fn verify_finds_flipped_cut_missing_and_extra() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path().join("b");
    small(&d);
    let file = d.join("profiles/heap-1.pb.gz");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4321] ^= 1;
    fs::write(&file, &bytes).unwrap();
    fs::remove_file(d.join("later/new-kind.bin")).unwrap();
    fs::write(d.join("stray.txt"), "x").unwrap();
    let v = Bundle::open(&d).unwrap().verify().unwrap();
    assert_eq!(v.damaged, [("profiles/heap-1.pb.gz".to_owned(), "SHA-256 differs".to_owned())]);
    assert_eq!(v.missing, ["later/new-kind.bin"]);
    assert_eq!(v.extra, ["stray.txt"]);
    assert!(!v.is_ok());
    for (len, want) in [(10, "10 bytes"), (9000, "longer")] {
        fs::write(&file, vec![7; len]).unwrap();
        let v = Bundle::open(&d).unwrap().verify().unwrap();
        assert!(v.damaged[0].1.contains(want), "{v:?}");
    }
}

#[test]
fn reading_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path().join("b");
    small(&d);
    let state = || {
        let mut out = vec![];
        for p in ["", "manifest.json", "profiles", "profiles/heap-1.pb.gz", "later"] {
            let m = fs::metadata(d.join(p)).unwrap();
            out.push((m.modified().unwrap(), m.len()));
        }
        out
    };
    for p in ["profiles", "later", ""] {
        fs::set_permissions(d.join(p), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let before = state();
    let b = Bundle::open(&d).unwrap();
    assert!(b.verify().unwrap().is_ok());
    let facts = b.facts();
    assert_eq!(facts.artifacts.len(), 2);
    assert_eq!(before, state());
    for p in ["", "profiles", "later"] {
        fs::set_permissions(d.join(p), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn links_and_paths_that_lead_out_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path().join("b");
    small(&d);
    let secret = dir.path().join("secret");
    fs::write(&secret, "s").unwrap();
    fs::remove_file(d.join("later/new-kind.bin")).unwrap();
    symlink(&secret, d.join("later/new-kind.bin")).unwrap();
    let b = Bundle::open(&d).unwrap();
    assert!(matches!(b.read("later/new-kind.bin", Bytes(99)), Err(BundleError::UnsafePath { .. })));
    assert!(!b.verify().unwrap().is_ok());
    // A link in the middle of the path.
    fs::remove_file(d.join("later/new-kind.bin")).unwrap();
    fs::remove_dir(d.join("later")).unwrap();
    symlink(dir.path(), d.join("later")).unwrap();
    fs::write(dir.path().join("new-kind.bin"), "s").unwrap();
    assert!(matches!(b.read("later/new-kind.bin", Bytes(99)), Err(BundleError::UnsafePath { .. })));
    // The manifest itself.
    let text = fs::read_to_string(d.join("manifest.json")).unwrap();
    fs::write(d.join("manifest.json"), text.replace("later/new-kind.bin", "../secret")).unwrap();
    assert!(matches!(Bundle::open(&d), Err(BundleError::UnsafePath { .. })));
}

/// A zip with one entry of a chosen name beside a good manifest.
fn zip_with(path: &Path, name: &str, link: bool) {
    let mut z = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let options = SimpleFileOptions::default();
    z.start_file("manifest.json", options).unwrap();
    z.write_all(&serde_json::to_vec(&manifest()).unwrap()).unwrap();
    if link {
        z.add_symlink(name, "/etc/passwd", options).unwrap();
    } else {
        z.start_file(name, options).unwrap();
        z.write_all(b"x").unwrap();
    }
    z.finish().unwrap();
}

#[test]
fn hostile_zips_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (i, (name, link)) in
        [("../../evil", false), ("/etc/evil", false), ("a\\..\\evil", false), ("a/../../b", false), ("innocent", true)]
            .into_iter()
            .enumerate()
    {
        let path = dir.path().join(format!("{i}.oomph"));
        zip_with(&path, name, link);
        assert!(matches!(Bundle::open(&path), Err(BundleError::UnsafePath { .. })), "{name}");
    }
    // Damage anywhere: an error or a bundle, never a panic.
    let good = dir.path().join("good.oomph");
    zip_with(&good, "stats/x.txt", false);
    let bytes = fs::read(&good).unwrap();
    let bad = dir.path().join("bad.oomph");
    for at in 0..bytes.len() {
        let mut b = bytes.clone();
        b[at] ^= 0x55;
        fs::write(&bad, &b).unwrap();
        if let Ok(b) = Bundle::open(&bad) {
            let _ = b.verify();
        }
        fs::write(&bad, &bytes[..at]).unwrap();
        let _ = Bundle::open(&bad);
    }
}

#[test]
fn a_zip_bomb_is_not_inflated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.oomph");
    let mut m = manifest();
    let d = dir.path().join("b");
    small(&d);
    m.artifacts = Bundle::open(&d).unwrap().manifest().artifacts.clone();
    m.artifacts[0].bytes = Bytes(5000);
    let mut z = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let options = SimpleFileOptions::default();
    z.start_file("manifest.json", options).unwrap();
    z.write_all(&serde_json::to_vec(&m).unwrap()).unwrap();
    z.start_file("profiles/heap-1.pb.gz", options).unwrap();
    let zeros = vec![0_u8; 1 << 20];
    for _ in 0..256 {
        z.write_all(&zeros).unwrap();
    }
    z.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 2 << 20);
    let b = Bundle::open(&path).unwrap();
    let v = b.verify().unwrap();
    assert!(v.damaged[0].1.contains("longer than the 5000"), "{v:?}");
    assert!(matches!(b.read("profiles/heap-1.pb.gz", Bytes::mib(1)), Err(BundleError::TooLarge { .. })));
}

/// A path that is listed twice would make the bundle unreadable.
#[test]
fn what_is_taken_again_replaces_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path().join("b");
    small(&d);
    let mut w = BundleWriter::resume(&d).unwrap();
    let stored = w.stored();
    let meta = ArtifactMeta::new(ArtifactKind::HeapProfile, Some(1), "/x");
    w.add("profiles/heap-1.pb.gz", &[8; 3000], meta).unwrap();
    assert_eq!(w.stored(), Bytes(stored.0 - 2000));
    w.finish(false).unwrap();
    let b = Bundle::open(&d).unwrap();
    assert!(b.verify().unwrap().damaged.is_empty());
    assert_eq!(b.read("profiles/heap-1.pb.gz", Bytes::mib(1)).unwrap(), [8; 3000]);
}

#[test]
fn a_zip_of_a_directory_opens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.zip");
    let mut z = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    z.start_file("b/manifest.json", SimpleFileOptions::default()).unwrap();
    z.write_all(&serde_json::to_vec(&manifest()).unwrap()).unwrap();
    z.finish().unwrap();
    assert_eq!(Bundle::open(&path).unwrap().manifest().target.name, "t");
}

#[test]
fn what_is_no_bundle_says_what_was_expected() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    fs::write(&file, "hello").unwrap();
    for p in [dir.path(), &file] {
        let e = Bundle::open(p).unwrap_err().to_string();
        assert!(e.contains("manifest.json"), "{e}");
    }
    assert!(matches!(Bundle::open(&dir.path().join("none")), Err(BundleError::Io { .. })));
    let d = dir.path().join("new");
    small(&d);
    let text = fs::read_to_string(d.join("manifest.json")).unwrap();
    fs::write(d.join("manifest.json"), text.replace("oomph.bundle/1", "oomph.bundle/7")).unwrap();
    assert!(Bundle::open(&d).unwrap_err().to_string().contains("update oomph"));
}

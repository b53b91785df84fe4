//! The forms programs read: JSON and its schema, speedscope, SVG; and Markdown's escaping.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod common;

use report::{Flame, flame_svg, json, markdown, schema, speedscope};

fn published() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema/report-1.schema.json")
}

/// `UPDATE_SCHEMA=1` rewrites the published file.
#[test]
fn the_published_schema_is_the_generated_one() {
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::create_dir_all(published().parent().unwrap()).unwrap();
        std::fs::write(published(), schema()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(published()).unwrap(), schema(), "run with UPDATE_SCHEMA=1");
}

#[test]
fn samples_satisfy_the_published_schema() {
    let text = std::fs::read_to_string(published()).unwrap();
    let validator = jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap();
    for (name, r) in common::all() {
        let value: serde_json::Value = serde_json::from_str(&json(&r)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let mut wrong = value.clone();
        wrong["verdict"] = "maybe".into();
        assert!(!validator.is_valid(&wrong));
        wrong = value;
        wrong["schema"] = "oomph.report/2".into();
        assert!(!validator.is_valid(&wrong));
    }
}

#[test]
fn json_survives_a_round_trip() {
    let mut reports: Vec<model::Report> = common::all().into_iter().map(|(_, r)| r).collect();
    for bad in common::HOSTILE {
        reports.push(common::with_strings(&mut |s| format!("{bad}{s}")));
    }
    for r in reports {
        let text = json(&r);
        assert!(text.ends_with("}\n"));
        assert!(!text.chars().any(|c| c != '\n' && c.is_control()));
        let back: model::Report = serde_json::from_str(&text).unwrap();
        assert_eq!(back, r);
        assert_eq!(json(&back), text);
    }
}

fn flame(collapsed: &str) -> Flame {
    Flame { name: "In use".into(), unit: "bytes".into(), collapsed: collapsed.into(), note: "of heap-6".into() }
}

#[test]
fn speedscope_files_hold_every_stack_and_its_weight() {
    let v: serde_json::Value = serde_json::from_str(&speedscope(&flame("main;a;b 10\nmain;a 5\nmain;c -3\n"))).unwrap();
    assert_eq!(v["$schema"], "https://www.speedscope.app/file-format-schema.json");
    let p = &v["profiles"][0];
    assert_eq!((&p["type"], &p["unit"]), (&"sampled".into(), &"bytes".into()));
    assert_eq!(p["weights"], serde_json::json!([10, 5]));
    assert_eq!(p["samples"], serde_json::json!([[0, 1, 2], [0, 1]]));
    assert_eq!(p["endValue"], 15);
    assert!(p["name"].as_str().unwrap().contains("only what grew"));
    let names: Vec<&str> =
        v["shared"]["frames"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["main", "a", "b"]);
}

#[test]
fn svgs_are_drawn_for_values_and_differences() {
    let svg = flame_svg(&flame("main;a;<b>&\"\x1b 1048576\nmain;c 524288\n")).unwrap();
    assert!(svg.contains("<svg") && svg.contains("&lt;b&gt;") && !svg.contains('\x1b') && svg.contains("search"));
    let diff = flame_svg(&flame("main;grew 100\nmain;shrank -100\n")).unwrap();
    assert!(diff.contains("grew") && diff.contains("shrank"));
    assert!(flame_svg(&flame("")).is_err());
    assert!(flame_svg(&flame("no number\n;; x\na 0\n")).is_err());
}

#[test]
fn markdown_snapshots() {
    for (name, r) in common::all() {
        insta::assert_snapshot!(format!("markdown-{name}"), markdown(&r));
    }
}

/// Parsed as GitHub's dialect, hostile strings bring no HTML, link, image or extra heading.
#[test]
fn markdown_from_outside_is_text() {
    use pulldown_cmark::{Event, Options, Parser, Tag};
    let ours = ["<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<!-- -->"];
    for bad in common::HOSTILE {
        let mut r = common::with_strings(&mut |_| (*bad).to_owned());
        r.findings.iter_mut().for_each(|f| f.fix.recipe.clear());
        let text = markdown(&r);
        let mut headings = 0;
        for e in Parser::new_ext(&text, Options::ENABLE_TABLES | Options::ENABLE_GFM) {
            match e {
                Event::Html(h) | Event::InlineHtml(h) => {
                    let rest = ours.iter().fold(h.to_string(), |h, tag| h.replace(tag, ""));
                    assert!(!rest.contains('<'), "{h}");
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => panic!("{dest_url}"),
                Event::Start(Tag::Heading { .. }) => headings += 1,
                _ => {}
            }
        }
        assert_eq!(headings, 1 + r.findings.len() + 4, "{bad:?}\n{text}");
    }
}

#[test]
fn markdown_fits_a_github_comment() {
    let mut r = common::with_strings(&mut |_| "<@#|`_".repeat(3_000));
    let f = r.findings[0].clone();
    r.findings = vec![f; 200];
    r.limits = vec!["`|<".repeat(3_000); 500];
    assert!(markdown(&r).chars().count() < 65_536);
    let mut r = common::leak();
    let f = r.findings[0].clone();
    r.findings = vec![f; 200];
    let text = markdown(&r);
    assert!(text.chars().count() < 65_536 && text.contains("more findings would not fit"));
}

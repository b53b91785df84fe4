//! What every page must keep to: it fetches nothing, runs only our scripts, and its tags match.

use std::collections::BTreeSet;

/// Everything a browser would fetch or run must be ours.
pub(crate) fn inert(page: &str, benign: &str) {
    assert!(page.len() < 2_000_000, "{}", page.len());
    assert_eq!(page.matches("<script").count(), benign.matches("<script").count());
    for tag in ["<img", "<iframe", "<object", "<embed", "<link", "<base", "<form", "<a href=\"h"] {
        assert!(!page.contains(tag), "{tag}");
    }
    for tag in page[..page.find("<script").unwrap_or(page.len())].split('<').skip(1) {
        let outside_quotes: String = tag.split('>').next().unwrap().split('"').step_by(2).collect();
        assert!(!outside_quotes.contains(" on"), "{tag}");
    }
    let lower = page.to_lowercase();
    for fetch in ["src=\"http", "src='http", "href=\"http", "href='http", "url(", "@import", "src=\"//", "href=\"//"] {
        assert!(!lower.contains(fetch), "{fetch}");
    }
    let bidi = |c: char| ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
    assert!(!page.chars().any(|c| c != '\n' && (c.is_control() || bidi(c))));
}

/// The tags of a page, in order, without attributes: text from outside must not change them.
pub(crate) fn tags(page: &str) -> Vec<String> {
    page.split('<').skip(1).map(|t| t.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect()).collect()
}

/// The text of a page without its style and scripts.
pub(crate) fn without_code(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some(at) = ["<style>", "<script"].iter().filter_map(|t| rest.find(t)).min() {
        let end = if rest[at..].starts_with("<style>") { "</style>" } else { "</script>" };
        out.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find(end).unwrap() + end.len()..];
    }
    out.push_str(rest);
    out
}

/// Every element ends where it must, identifiers are unique, and links within the page lead somewhere.
pub(crate) fn well_formed(page: &str) {
    const VOID: [&str; 4] = ["!doctype", "meta", "wbr", "br"];
    let text = without_code(page);
    let (mut open, mut ids, mut links) = (Vec::new(), BTreeSet::new(), Vec::new());
    for part in text.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap_or_else(|| panic!("no end: {part}"));
        let empty = tag.ends_with('/');
        let name: String =
            tag.chars().take_while(|c| !c.is_whitespace() && *c != '/' || c == &'/' && tag.starts_with('/')).collect();
        // Attributes are quoted: outside quotes are names and equal signs only.
        let outside: String = tag.split('"').step_by(2).collect();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        assert!(outside.chars().all(|c| c.is_ascii_alphanumeric() || " =-/!:".contains(c)), "{tag}");
        for (attribute, value) in
            tag.split('"').collect::<Vec<_>>().chunks(2).filter_map(|c| Some((c.first()?, c.get(1)?)))
        {
            match attribute.trim() {
                a if a.ends_with(" id=") || a == "id=" => assert!(ids.insert((*value).to_owned()), "twice: {value}"),
                a if a.ends_with("href=") => links.push((*value).to_owned()),
                _ => {}
            }
        }
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed), "{}", &part[..part.len().min(80)]);
        } else if !empty && !VOID.contains(&name.to_lowercase().as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for link in links {
        let to = link.strip_prefix('#').unwrap_or_else(|| panic!("leads out: {link}"));
        assert!(ids.contains(to), "{link}");
    }
}

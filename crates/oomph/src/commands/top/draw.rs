//! Draws `oomph top`: a head, a view, a line of keys. Owns the layout; reads no clock and no terminal, so that the
//! same state gives the same screen.

use super::app::{App, View};
use super::cells::{Layout as Columns, mark, short, time};
use super::chart;
use crate::output;
use model::{TargetStatus, WatchLevel, WatchStatus};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};
use std::collections::BTreeMap;
use watch::top::TopSource;

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Palette {
    pub colour: bool,
}

impl Palette {
    /// Of a level; bold says what colour says where there is none.
    pub(super) fn level(self, level: WatchLevel) -> Style {
        let style = match level {
            WatchLevel::Critical | WatchLevel::Warning => Style::new().add_modifier(Modifier::BOLD),
            WatchLevel::Notice | WatchLevel::Quiet => Style::new(),
        };
        match level {
            _ if !self.colour => style,
            WatchLevel::Critical => style.fg(Color::Red),
            WatchLevel::Warning => style.fg(Color::Yellow),
            WatchLevel::Notice => style.fg(Color::Cyan),
            WatchLevel::Quiet => style,
        }
    }

    fn head(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.colour { style.fg(Color::Cyan) } else { style }
    }
}

/// The whole screen.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, status: &WatchStatus, source: &dyn TopSource, palette: Palette) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    let title = match source.error() {
        Some(error) => format!("out of date: {}", output::plain(&error)),
        None => title(app, status),
    };
    frame.render_widget(Paragraph::new(title).style(palette.head()), head);
    match (app.view, app.target(status)) {
        (View::Services, _) => services(frame, body, app, status, palette),
        (_, None) => frame.render_widget(Paragraph::new("no service"), body),
        (View::Growth, Some(target)) => chart::draw(frame, body, target, source, palette),
        (View::Culprits, Some(target)) => lines(frame, body, app, culprits(target, palette)),
        (View::Captures, Some(target)) => lines(frame, body, app, captures(target, status, palette)),
    }
    frame.render_widget(Paragraph::new(keys(app, foot.width)).style(Style::new().add_modifier(Modifier::DIM)), foot);
    if app.help {
        help(frame);
    }
}

/// What is shown, and how much of it.
fn title(app: &App, status: &WatchStatus) -> String {
    let chosen = app.target(status).map(|t| output::plain(&t.name).into_owned()).unwrap_or_default();
    match app.view {
        View::Services => {
            let shown = app.rows(status).len();
            let all = status.targets.len();
            let urgent = status.targets.iter().filter(|t| t.level >= WatchLevel::Warning).count();
            let count = if shown == all { format!("{all}") } else { format!("{shown} of {all}") };
            format!("oomph top  services {count}  in danger {urgent}  by {}", app.order.name())
        }
        View::Growth => format!("growth of {chosen}"),
        View::Culprits => format!("culprits of {chosen}"),
        View::Captures => format!("captures of {chosen}"),
    }
}

/// The line at the foot.
fn keys(app: &App, width: u16) -> String {
    if app.typing {
        return format!("/{}_  Enter keeps, Esc clears", app.filter);
    }
    let filter = if app.filter.is_empty() { String::new() } else { format!("  /{}", app.filter) };
    let keys = match width {
        77.. => "g growth  c culprits  b captures  Esc back  s sort  / filter  ? help  q quit",
        40.. => "g c b views  Esc back  ? help  q quit",
        _ => "? help  q quit",
    };
    format!("{keys}{filter}")
}

fn services(frame: &mut Frame<'_>, area: Rect, app: &App, status: &WatchStatus, palette: Palette) {
    let columns = Columns::of(usize::from(area.width));
    let rows = app.rows(status);
    let place = app.place(&rows);
    let room = usize::from(area.height).saturating_sub(2).max(1);
    // The chosen row stays on the screen.
    let first = place.saturating_sub(room.saturating_sub(1));
    let mut text = vec![Line::styled(columns.head(), Style::new().add_modifier(Modifier::UNDERLINED))];
    for (i, target) in rows.iter().enumerate().skip(first).take(room) {
        let style = palette.level(target.level);
        let style = if i == place { style.add_modifier(Modifier::REVERSED) } else { style };
        let row = columns.row(target);
        // The bar of the chosen row reaches to the edge.
        let width = usize::from(area.width);
        text.push(Line::styled(if i == place { format!("{row:width$}") } else { row }, style));
    }
    if rows.is_empty() {
        let why = if status.targets.is_empty() { "no Go service found yet" } else { "no service has this in its name" };
        text.push(Line::raw(why));
    }
    let [table, note] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(area);
    frame.render_widget(Paragraph::new(text), table);
    if let Some(firing) = app.target(status).and_then(|t| t.firing.first()) {
        let line = format!("{} {}: {}", mark(firing.level), firing.rule, output::plain(&firing.title));
        frame.render_widget(Paragraph::new(line).style(palette.level(firing.level)), note);
    }
}

/// A list that may be longer than the screen.
fn lines(frame: &mut Frame<'_>, area: Rect, app: &App, text: Vec<Line<'_>>) {
    let most = text.len().saturating_sub(1);
    let scroll = u16::try_from(app.scroll.min(most)).unwrap_or(u16::MAX);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).scroll((scroll, 0)), area);
}

/// Who is to blame: by the captures, and what the rules say.
fn culprits(target: &TargetStatus, palette: Palette) -> Vec<Line<'static>> {
    let mut out = vec![Line::raw("")];
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for incident in &target.incidents {
        if let Some(culprit) = &incident.culprit {
            *found.entry(culprit).or_default() += 1;
        }
    }
    let mut found: Vec<(&str, usize)> = found.into_iter().collect();
    found.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (culprit, n) in &found {
        let times = if *n == 1 { "1 capture".to_owned() } else { format!("{n} captures") };
        out.push(Line::styled(format!("{}  ({times})", output::plain(culprit)), palette.level(WatchLevel::Warning)));
        let newest = target.incidents.iter().find(|i| i.culprit.as_deref() == Some(culprit));
        if let Some(summary) = newest.and_then(|i| i.summary.as_deref()) {
            out.push(Line::raw(format!("  {}", output::plain(summary))));
        }
    }
    if found.is_empty() {
        let why = match target.incidents.len() {
            0 => "No culprit: nothing was captured. oomph watch captures; oomph top --watch shows what it has.",
            _ => "No culprit: no capture has been diagnosed, or none of them named one.",
        };
        out.push(Line::raw(why));
        let ask = target.pid.map_or_else(|| target.url.clone(), |p| Some(p.to_string()));
        if let Some(ask) = ask {
            out.push(Line::raw(format!("To see now: oomph diagnose {}", output::plain(&ask))));
        }
    }
    out.push(Line::raw(""));
    for rule in &target.firing {
        let text = format!("{:2} {}: {}", mark(rule.level), rule.rule, output::plain(&rule.title));
        out.push(Line::styled(text, palette.level(rule.level)));
    }
    out.extend(
        target
            .sources
            .iter()
            .filter(|s| !s.ok)
            .map(|s| Line::raw(format!("   {} does not answer: {}", output::plain(&s.name), output::plain(&s.detail)))),
    );
    out
}

/// The evidence, the newest first.
fn captures(target: &TargetStatus, status: &WatchStatus, palette: Palette) -> Vec<Line<'static>> {
    let mut out = vec![Line::raw("")];
    for i in &target.incidents {
        let ago = time(status.at.seconds_since(i.at));
        let state = if i.finished { "" } else { "  still capturing" };
        let killed = if i.oom_killed { "  killed for want of memory afterwards" } else { "" };
        let size = short(i.bytes.0 as f64);
        let text = format!("{:2} {ago:>4} ago  {size:>7}  {}{state}{killed}", mark(i.level), output::plain(&i.cause));
        out.push(Line::styled(text, palette.level(i.level)));
        for said in [&i.culprit, &i.summary].into_iter().flatten() {
            out.push(Line::raw(format!("   {}", output::plain(said))));
        }
        out.push(Line::from(vec![Span::raw("   oomph diagnose "), Span::raw(output::plain(&i.bundle).into_owned())]));
    }
    if target.incidents.is_empty() {
        out.push(Line::raw("Nothing was captured. oomph watch captures; oomph top --watch shows what it has."));
    }
    out
}

/// What stands in the help.
const HELP: [&str; 16] = [
    "up down j k   choose a service",
    "Enter g       its growth",
    "c             its culprits",
    "b             its captures",
    "Esc           back; clears the filter",
    "s             next order",
    "/             filter by name",
    "PgUp PgDn     scroll",
    "q             quit",
    "",
    "!! critical   ! warning   i notice",
    "LEFT    time to the limit, median",
    "LIVE    heap in use at the last GC",
    "GOAL    heap at which the next ends",
    "GROWTH  of what is not given back",
    "GC      share of CPU; any key closes",
];

fn help(frame: &mut Frame<'_>) {
    let area = frame.area();
    let width = area.width.min(44);
    let height = area.height.min(18);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let window = Rect { x, y, width, height };
    frame.render_widget(Clear, window);
    let text: Vec<Line<'_>> = HELP.iter().map(|l| Line::raw(*l)).collect();
    frame.render_widget(Paragraph::new(text).block(Block::bordered().title("help")), window);
}

#[cfg(test)]
mod tests {
    use super::super::app::Key;
    use super::super::recorded::Recorded;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn screen(width: u16, height: u16, keys: &[Key]) -> String {
        let source = Recorded::new();
        let status = source.status();
        let mut app = App::new();
        keys.iter().for_each(|k| app.press(*k, &status));
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|f| draw(f, &app, &status, &source, Palette { colour: false })).unwrap();
        let buffer = terminal.backend().buffer();
        assert!(buffer.content.iter().all(|c| c.fg == Color::Reset && c.bg == Color::Reset), "colour");
        let rows = buffer.content.chunks(usize::from(width));
        let rows = rows.map(|r| r.iter().map(|c| c.symbol()).collect::<String>().trim_end().to_owned());
        rows.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn screens_without_colour() {
        let views: [(&str, &[Key]); 7] = [
            ("services", &[]),
            ("growth", &[Key::Char('g')]),
            ("culprits", &[Key::Char('c')]),
            ("captures", &[Key::Char('b')]),
            ("help", &[Key::Char('?')]),
            ("filter", &[Key::Char('/'), Key::Char('o'), Key::Char('r')]),
            ("unreachable", &[Key::End, Key::Char('c')]),
        ];
        for (width, height) in [(80, 24), (140, 40)] {
            for (name, keys) in views {
                insta::assert_snapshot!(format!("top_{name}_{width}x{height}"), screen(width, height, keys));
            }
        }
        insta::assert_snapshot!("top_services_40x12", screen(40, 12, &[]));
        insta::assert_snapshot!("top_growth_40x12", screen(40, 12, &[Key::Enter]));
    }

    /// No size of a terminal is too small or too large.
    #[test]
    fn any_size_is_drawn() {
        for (width, height) in [(1, 1), (2, 3), (10, 4), (20, 5), (79, 23), (300, 100)] {
            for key in ['s', 'g', 'c', 'b', '?', '/'] {
                let _ = screen(width, height, &[Key::Down, Key::Char(key)]);
            }
        }
    }

    #[test]
    fn colours_are_there_when_asked_for() {
        let source = Recorded::new();
        let status = source.status();
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|f| draw(f, &App::new(), &status, &source, Palette { colour: true })).unwrap();
        assert!(terminal.backend().buffer().content.iter().any(|c| c.fg == Color::Red));
    }
}

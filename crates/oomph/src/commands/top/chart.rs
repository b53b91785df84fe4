//! The growth of one service over time: live heap, goal, resident size and limit. Lines differ by their marks, not
//! only by colour.

use super::cells::{short, time};
use super::draw::Palette;
use model::TargetStatus;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Paragraph};
use watch::top::{SeriesKind, TopSource};

/// A line of the chart: what, its name, its mark, how the legend shows it, its colour.
struct Drawn {
    what: SeriesKind,
    name: &'static str,
    marker: Marker,
    shown: &'static str,
    colour: Color,
}

const LINES: [Drawn; 4] = [
    Drawn { what: SeriesKind::Limit, name: "limit", marker: Marker::HalfBlock, shown: "▀", colour: Color::Red },
    Drawn { what: SeriesKind::Resident, name: "resident", marker: Marker::Dot, shown: "•", colour: Color::Blue },
    Drawn { what: SeriesKind::HeapGoal, name: "goal", marker: Marker::Custom('+'), shown: "+", colour: Color::Yellow },
    Drawn {
        what: SeriesKind::LiveHeap, name: "live heap", marker: Marker::Braille, shown: "⠤", colour: Color::Green
    },
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, target: &TargetStatus, source: &dyn TopSource, palette: Palette) {
    let [facts, chart, legend] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    frame.render_widget(Paragraph::new(facts_of(target)).style(palette.level(target.level)), facts);
    // Seconds ago become seconds before the right edge.
    let points: Vec<Vec<(f64, f64)>> = LINES
        .iter()
        .map(|l| source.series(&target.name, l.what).into_iter().map(|(ago, value)| (-ago, value)).collect())
        .collect();
    let all = || points.iter().flatten().filter(|(x, y)| x.is_finite() && y.is_finite());
    let oldest = all().map(|p| p.0).fold(0.0_f64, f64::min);
    let highest = all().map(|p| p.1).fold(0.0_f64, f64::max);
    if oldest >= 0.0 || highest <= 0.0 {
        frame.render_widget(Paragraph::new("\nno samples yet"), chart);
        return;
    }
    let top = highest * 1.05;
    let datasets = LINES
        .iter()
        .zip(&points)
        .filter(|(_, points)| !points.is_empty())
        .map(|(line, points)| {
            let style = if palette.colour { Style::new().fg(line.colour) } else { Style::new() };
            Dataset::default().data(points).marker(line.marker).graph_type(GraphType::Line).style(style)
        })
        .collect();
    let x = Axis::default().bounds([oldest, 0.0]).labels([
        Line::raw(format!("{} ago", time(-oldest))),
        Line::raw(time(-oldest / 2.0)),
        Line::raw("now"),
    ]);
    let y =
        Axis::default().bounds([0.0, top]).labels([Line::raw("0"), Line::raw(short(top / 2.0)), Line::raw(short(top))]);
    frame.render_widget(Chart::new(datasets).x_axis(x).y_axis(y), chart);
    let shown = LINES.iter().zip(&points).filter(|(_, p)| !p.is_empty());
    let text: Vec<String> = shown.map(|(l, _)| format!("{} {}", l.shown, l.name)).collect();
    frame.render_widget(Paragraph::new(text.join("   ")), legend);
}

/// Two lines: what it does, and when it ends.
fn facts_of(t: &TargetStatus) -> Vec<Line<'static>> {
    let size = |b: Option<model::Bytes>| b.map_or_else(|| "-".to_owned(), |b| b.to_string());
    let growth = t.growth_bytes_per_s.map_or_else(|| "-".to_owned(), |g| format!("{}/s", model::format_iec_signed(g)));
    let first = format!("{}, {growth}, live heap {} of {}", t.shape.as_str(), size(t.live_heap), size(t.limit));
    let second = match t.seconds_to_limit {
        Some(s) => format!("meets its limit in {} ({} to {})", time(s.p50), time(s.p10), time(s.p90)),
        None => "not on its way to its limit".to_owned(),
    };
    vec![Line::raw(first), Line::raw(second)]
}

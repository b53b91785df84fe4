//! The table of services: which columns there is room for, and what stands in them. Sizes are IEC, short (`1.5Gi`);
//! an absent number is `-`.

use crate::output;
use model::{TargetState, TargetStatus, WatchLevel, format_count};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Level,
    Service,
    Left,
    Live,
    Goal,
    Limit,
    Growth,
    GcCpu,
    Goroutines,
    Shape,
    State,
    Pid,
}

/// Columns from the left to the right.
const ALL: [Column; 12] = [
    Column::Level,
    Column::Service,
    Column::Left,
    Column::Live,
    Column::Goal,
    Column::Limit,
    Column::Growth,
    Column::GcCpu,
    Column::Goroutines,
    Column::Shape,
    Column::State,
    Column::Pid,
];

/// What goes first when there is no room.
const DISPENSABLE: [Column; 9] = [
    Column::Pid,
    Column::State,
    Column::Shape,
    Column::Goal,
    Column::Goroutines,
    Column::GcCpu,
    Column::Growth,
    Column::Live,
    Column::Limit,
];

/// Least columns of a service's name.
const LEAST_NAME: usize = 16;

/// Columns below which a line is wider than the screen and its end is not seen.
pub(super) const LEAST: usize = 24;

impl Column {
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Level => "",
            Self::Service => "SERVICE",
            Self::Left => "LEFT",
            Self::Live => "LIVE",
            Self::Goal => "GOAL",
            Self::Limit => "LIMIT",
            Self::Growth => "GROWTH",
            Self::GcCpu => "GC",
            Self::Goroutines => "GOROUT",
            Self::Shape => "SHAPE",
            Self::State => "STATE",
            Self::Pid => "PID",
        }
    }

    const fn width(self) -> usize {
        match self {
            Self::Level => 2,
            Self::Service => LEAST_NAME,
            Self::Left | Self::GcCpu => 4,
            Self::Live | Self::Goal | Self::Limit => 8,
            Self::Growth => 10,
            Self::Goroutines => 7,
            Self::Shape => 13,
            Self::State => 11,
            Self::Pid => 8,
        }
    }

    /// Whether it stands at the left of its column.
    const fn left(self) -> bool {
        matches!(self, Self::Level | Self::Service | Self::Shape | Self::State)
    }

    fn text(self, t: &TargetStatus) -> String {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        match self {
            Self::Level => mark(t.level).to_owned(),
            Self::Service => output::plain(&t.name).into_owned(),
            Self::Left if t.state == TargetState::OomKilled => "dead".to_owned(),
            Self::Left => or_dash(t.seconds_to_limit.map(|s| time(s.p50))),
            Self::Live => or_dash(t.live_heap.map(|b| short(b.0 as f64))),
            Self::Goal => or_dash(t.heap_goal.map(|b| short(b.0 as f64))),
            Self::Limit => or_dash(t.limit.map(|b| short(b.0 as f64))),
            Self::Growth => or_dash(t.growth_bytes_per_s.map(|g| format!("{}/s", signed(g)))),
            Self::GcCpu => or_dash(t.gc_cpu_share.map(|s| format!("{:.0}%", s * 100.0))),
            Self::Goroutines => or_dash(t.goroutines.map(format_count)),
            Self::Shape => t.shape.as_str().to_owned(),
            Self::State => t.state.as_str().to_owned(),
            Self::Pid => or_dash(t.pid.map(|p| p.to_string())),
        }
    }
}

/// Columns with their widths.
pub(super) struct Layout(Vec<(Column, usize)>);

impl Layout {
    /// What fits into `width` columns.
    pub(super) fn of(width: usize) -> Self {
        let mut columns: Vec<Column> = ALL.to_vec();
        let needs = |c: &[Column]| c.iter().map(|c| c.width() + 1).sum::<usize>().saturating_sub(1);
        for least in DISPENSABLE {
            if needs(&columns) <= width {
                break;
            }
            columns.retain(|c| *c != least);
        }
        let spare = width.saturating_sub(needs(&columns));
        let wide = |c: Column| if c == Column::Service { c.width() + spare.min(44) } else { c.width() };
        Self(columns.into_iter().map(|c| (c, wide(c))).collect())
    }

    pub(super) fn head(&self) -> String {
        self.line(|c| c.title().to_owned())
    }

    pub(super) fn row(&self, target: &TargetStatus) -> String {
        self.line(|c| c.text(target))
    }

    fn line(&self, text: impl Fn(Column) -> String) -> String {
        let cells = self.0.iter().map(|(column, width)| {
            let text = cut(&text(*column), *width);
            let pad = " ".repeat(width.saturating_sub(text.chars().count()));
            if column.left() { format!("{text}{pad}") } else { format!("{pad}{text}") }
        });
        cells.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    }
}

/// The level without colour: what calls for somebody begins with `!`.
pub(super) const fn mark(level: WatchLevel) -> &'static str {
    match level {
        WatchLevel::Critical => "!!",
        WatchLevel::Warning => "!",
        WatchLevel::Notice => "i",
        WatchLevel::Quiet => "",
    }
}

/// A size in at most seven characters: `640`, `1.5Gi`, `1023.9Mi` does not occur.
pub(super) fn short(bytes: f64) -> String {
    let text = model::format_iec(bytes);
    text.trim_end_matches('B').trim_end().replace(' ', "")
}

fn signed(bytes: f64) -> String {
    if bytes > 0.0 { format!("+{}", short(bytes)) } else { short(bytes) }
}

/// A span in at most four characters: `40s`, `12m`, `3h`, `9d`, `>99d`.
pub(super) fn time(seconds: f64) -> String {
    let s = seconds.max(0.0);
    if s < 99.5 {
        format!("{s:.0}s")
    } else if s < 99.5 * 60.0 {
        format!("{:.0}m", s / 60.0)
    } else if s < 72.0 * 3600.0 {
        format!("{:.0}h", s / 3600.0)
    } else if s < 99.5 * 86_400.0 {
        format!("{:.0}d", s / 86_400.0)
    } else {
        ">99d".to_owned()
    }
}

/// The beginning, with a mark where something is missing.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}~")
}

#[cfg(test)]
mod tests {
    use super::super::recorded::status;
    use super::*;

    #[test]
    fn everything_asked_for_stands_at_80_columns_and_less_fits_less() {
        let head = Layout::of(80).head();
        for title in ["SERVICE", "LEFT", "LIVE", "GOAL", "LIMIT", "GROWTH", "GC", "GOROUT"] {
            assert!(head.contains(title), "{title} is not in {head}");
        }
        for width in LEAST..200 {
            let layout = Layout::of(width);
            for t in &status().targets {
                assert!(layout.row(t).chars().count() <= width, "{width}: {}", layout.row(t));
            }
            assert!(layout.head().contains("SERVICE") && layout.head().contains("LEFT"), "{width}");
        }
    }

    #[test]
    fn spans_and_sizes_are_short() {
        let cases =
            [(0.4, "0s"), (99.0, "99s"), (100.0, "2m"), (7200.0, "2h"), (400_000.0, "5d"), (f64::INFINITY, ">99d")];
        for (s, want) in cases {
            assert_eq!(time(s), want);
        }
        for (b, want) in [(640.0, "640"), (1536.0, "1.5Ki"), (5.0 * 1073741824.0, "5.0Gi")] {
            assert_eq!(short(b), want);
        }
        assert_eq!(cut("abcdef", 4), "abc~");
    }
}

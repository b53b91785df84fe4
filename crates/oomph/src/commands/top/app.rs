//! What a person at `oomph top` sees and does: view, choice, order, filter. Pure: keys in, state out; draws nothing
//! and reads no terminal.

use model::{TargetStatus, WatchStatus};
use std::cmp::Ordering;

/// A key, as far as it means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Esc,
    Backspace,
    /// Ctrl-C.
    Interrupt,
}

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Services,
    Growth,
    Culprits,
    Captures,
}

/// Order of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Risk,
    LiveHeap,
    Growth,
    GcCpu,
    Goroutines,
    Name,
}

impl Order {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Risk => "risk",
            Self::LiveHeap => "live heap",
            Self::Growth => "growth",
            Self::GcCpu => "GC CPU",
            Self::Goroutines => "goroutines",
            Self::Name => "name",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Risk => Self::LiveHeap,
            Self::LiveHeap => Self::Growth,
            Self::Growth => Self::GcCpu,
            Self::GcCpu => Self::Goroutines,
            Self::Goroutines => Self::Name,
            Self::Name => Self::Risk,
        }
    }

    /// What is larger comes first; absent numbers last.
    fn compare(self, a: &TargetStatus, b: &TargetStatus) -> Ordering {
        let by = |f: fn(&TargetStatus) -> Option<f64>| {
            f(b).unwrap_or(f64::NEG_INFINITY).total_cmp(&f(a).unwrap_or(f64::NEG_INFINITY))
        };
        match self {
            // As the watcher orders them.
            Self::Risk => Ordering::Equal,
            Self::LiveHeap => by(|t| t.live_heap.map(|b| b.0 as f64)),
            Self::Growth => by(|t| t.growth_bytes_per_s),
            Self::GcCpu => by(|t| t.gc_cpu_share),
            Self::Goroutines => by(|t| t.goroutines.map(|n| n as f64)),
            Self::Name => a.name.cmp(&b.name),
        }
    }
}

/// The state of the program.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct App {
    pub view: View,
    pub help: bool,
    pub order: Order,
    pub filter: String,
    /// Whether what is typed goes into the filter.
    pub typing: bool,
    /// Name of the chosen service.
    pub chosen: Option<String>,
    /// First line shown of a list that is longer than the screen.
    pub scroll: usize,
    pub quit: bool,
}

impl App {
    pub(super) const fn new() -> Self {
        Self {
            view: View::Services,
            help: false,
            order: Order::Risk,
            filter: String::new(),
            typing: false,
            chosen: None,
            scroll: 0,
            quit: false,
        }
    }

    /// The services that are shown, in their order.
    pub(super) fn rows<'a>(&self, status: &'a WatchStatus) -> Vec<&'a TargetStatus> {
        let wanted = self.filter.to_lowercase();
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        let mut rows: Vec<&TargetStatus> =
            status.targets.iter().filter(|t| has(&t.name) || t.program.as_deref().is_some_and(has)).collect();
        rows.sort_by(|a, b| self.order.compare(a, b));
        rows
    }

    /// Place of the chosen service among the rows; the first when it is gone.
    pub(super) fn place(&self, rows: &[&TargetStatus]) -> usize {
        let chosen = self.chosen.as_deref();
        rows.iter().position(|t| Some(t.name.as_str()) == chosen).unwrap_or(0)
    }

    /// The chosen service.
    pub(super) fn target<'a>(&self, status: &'a WatchStatus) -> Option<&'a TargetStatus> {
        let rows = self.rows(status);
        rows.get(self.place(&rows)).copied()
    }

    /// A key was pressed while `status` was shown.
    pub(super) fn press(&mut self, key: Key, status: &WatchStatus) {
        if key == Key::Interrupt {
            self.quit = true;
        } else if self.typing {
            self.type_filter(key);
        } else if self.help {
            // Any key closes the help; q still quits.
            self.help = false;
            self.quit = key == Key::Char('q');
        } else {
            self.command(key, status);
        }
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Enter => self.typing = false,
            Key::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Char(c) if self.filter.len() < 100 => self.filter.push(c),
            _ => {}
        }
    }

    fn command(&mut self, key: Key, status: &WatchStatus) {
        match key {
            Key::Char('q') => self.quit = true,
            Key::Char('?' | 'h') => self.help = true,
            Key::Char('/') => self.typing = true,
            Key::Char('s') => self.order = self.order.next(),
            Key::Char('g') | Key::Enter => self.show(View::Growth),
            Key::Char('c') => self.show(View::Culprits),
            Key::Char('b') => self.show(View::Captures),
            Key::Esc | Key::Backspace if self.view != View::Services => self.show(View::Services),
            Key::Esc => self.filter.clear(),
            Key::Up | Key::Char('k') => self.move_by(-1, status),
            Key::Down | Key::Char('j') => self.move_by(1, status),
            Key::Home => self.move_by(i64::MIN, status),
            Key::End => self.move_by(i64::MAX, status),
            Key::PageUp if self.view == View::Services => self.move_by(-10, status),
            Key::PageDown if self.view == View::Services => self.move_by(10, status),
            Key::PageUp => self.scroll = self.scroll.saturating_sub(10),
            Key::PageDown => self.scroll = self.scroll.saturating_add(10),
            _ => {}
        }
    }

    fn show(&mut self, view: View) {
        self.view = view;
        self.scroll = 0;
    }

    fn move_by(&mut self, by: i64, status: &WatchStatus) {
        let rows = self.rows(status);
        let last = i64::try_from(rows.len()).unwrap_or(i64::MAX).saturating_sub(1);
        let here = i64::try_from(self.place(&rows)).unwrap_or(0);
        let there = usize::try_from(here.saturating_add(by).clamp(0, last.max(0))).unwrap_or(0);
        self.chosen = rows.get(there).map(|t| t.name.clone());
        self.scroll = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::status;
    use super::*;

    fn press(app: &mut App, keys: &str) {
        for c in keys.chars() {
            let key = match c {
                '\n' => Key::Enter,
                '\x1b' => Key::Esc,
                '\x7f' => Key::Backspace,
                c => Key::Char(c),
            };
            app.press(key, &status());
        }
    }

    fn names(app: &App) -> Vec<String> {
        app.rows(&status()).iter().map(|t| t.name.clone()).collect()
    }

    #[test]
    fn the_same_keys_lead_to_each_view_and_back() {
        let mut app = App::new();
        for (keys, view) in [("g", View::Growth), ("c", View::Culprits), ("b", View::Captures), ("\n", View::Growth)] {
            for from in ["", "g", "c", "b"] {
                press(&mut app, from);
                press(&mut app, keys);
                assert_eq!(app.view, view, "{from} {keys}");
                press(&mut app, "\x1b");
                assert_eq!(app.view, View::Services);
            }
        }
        press(&mut app, "c?");
        assert!(app.help && app.view == View::Culprits);
        press(&mut app, "g");
        assert!(!app.help && app.view == View::Culprits && !app.quit);
        press(&mut app, "q");
        assert!(app.quit);
    }

    #[test]
    fn the_choice_follows_the_service_and_not_the_row() {
        let mut app = App::new();
        assert_eq!(app.target(&status()).unwrap().name, "checkout");
        press(&mut app, "jj");
        let chosen = app.chosen.clone().unwrap();
        press(&mut app, "s");
        assert_eq!(app.target(&status()).unwrap().name, chosen);
        press(&mut app, "jjjjjjjjjjjjjjjjjjkkkkkkkkkkkkkkkkkkkkkkkk");
        assert_eq!(app.target(&status()).unwrap().name, names(&app)[0]);
        let mut gone = status();
        gone.targets.clear();
        assert!(app.target(&gone).is_none());
        app.press(Key::Down, &gone);
        assert_eq!(app.chosen, None);
    }

    #[test]
    fn filters_while_typing_and_sorts() {
        let mut app = App::new();
        press(&mut app, "/ORDq");
        assert!(names(&app).is_empty() && !app.quit);
        press(&mut app, "\x7f\n");
        assert_eq!(names(&app), ["orders-with-a-name-that-is-too-long-for-its-column"]);
        press(&mut app, "\x1b");
        assert_eq!(names(&app).len(), status().targets.len());
        press(&mut app, "sssss");
        assert_eq!(app.order, Order::Name);
        let mut sorted = names(&app);
        sorted.sort();
        assert_eq!(names(&app), sorted);
        app.press(Key::Char('/'), &status());
        app.press(Key::Interrupt, &status());
        assert!(app.quit);
    }
}

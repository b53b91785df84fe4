//! The terminal of `oomph top`: keys in, frames out. Owns that the terminal is as it was when the program ends, be it
//! by a key, a signal or a panic, and that nothing is drawn while nothing changes.

use super::app::{App, Key};
use super::draw::{Palette, draw};
use model::TargetStatus;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use watch::top::TopSource;

/// How often the watcher is asked.
const LOOK: Duration = Duration::from_millis(500);

/// Puts the terminal back when it goes out of scope.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows `source` until a person has seen enough or `stop` is raised.
pub(super) fn run(source: &dyn TopSource, palette: Palette, stop: &AtomicBool) -> io::Result<()> {
    // Sets a hook that restores the terminal before a panic is printed.
    let mut terminal = ratatui::try_init()?;
    let _restored = Restored;
    let mut app = App::new();
    let mut drawn: Option<(App, Vec<TargetStatus>, Option<String>)> = None;
    let mut status = source.status();
    while !app.quit && !stop.load(Ordering::Relaxed) {
        let error = source.error();
        let shown =
            |d: &(App, Vec<TargetStatus>, Option<String>)| d.0 == app && d.2 == error && same(&d.1, &status.targets);
        let changed = !drawn.as_ref().is_some_and(shown);
        if changed {
            terminal.draw(|frame| draw(frame, &app, &status, source, palette))?;
            drawn = Some((app.clone(), status.targets.clone(), error));
        }
        // A signal ends the waiting as well.
        match event::poll(LOOK) {
            Ok(true) => match event::read()? {
                Event::Key(key) => press(&mut app, key, &status),
                Event::Resize(..) => drawn = None,
                _ => {}
            },
            Ok(false) => status = source.status(),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Whether two states look the same: what only counts samples is not shown.
fn same(a: &[TargetStatus], b: &[TargetStatus]) -> bool {
    let shown = |t: &TargetStatus| TargetStatus { failed_samples: 0, interval_ms: 0, ..t.clone() };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| shown(a) == shown(b))
}

fn press(app: &mut App, key: KeyEvent, status: &model::WatchStatus) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let key = match key.code {
        KeyCode::Char('c' | 'd') if control => Key::Interrupt,
        KeyCode::Char(_) if control => return,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Backspace,
        _ => return,
    };
    app.press(key, status);
}

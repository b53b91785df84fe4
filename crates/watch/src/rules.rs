//! Rules of the user's own: CEL over the columns of the samples.
//!
//! `heap.live`, `group.limit` and so on are numbers (bytes, seconds, shares of 1). Over a span of time there are
//! `slope('5m')` (per second, Theil-Sen), `delta`, `min`, `max` and `mean`, as in `heap.live.slope('5m')`. Sizes and
//! times may be written `1.MiB`, `30.s`. A rule that needs a number that is absent does not hold.

use crate::config::RuleConfig;
use crate::period::Period;
use cel::{Context, Env, Program};
use model::WatchLevel;
use regex::Regex;
use signals::{Column, Sample, theil_sen};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

/// Points kept of a span.
const POINTS: usize = 48;
/// Longest condition.
const MOST_TEXT: usize = 4096;

static WINDOW: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([a-z]+\.[a-z_]+)\.(slope|delta|min|max|mean)\(\s*['"]([0-9a-z]+)['"]\s*\)"#).ok());
static UNIT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b([0-9]+(?:\.[0-9]+)?)\.(KiB|MiB|GiB|TiB|ms|s|m|h|d)\b(?:/s\b)?").ok());
static WHOLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(^|[^0-9A-Za-z_.'\x22])([0-9]+)($|[^0-9A-Za-z_.'\x22])").ok());

/// What is computed over a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Slope,
    Delta,
    Min,
    Max,
    Mean,
}

/// A value over a span that a rule names.
#[derive(Clone, Debug)]
struct Wanted {
    name: String,
    column: Column,
    over: Over,
    seconds: f64,
}

/// A rule, checked and ready.
pub struct UserRule {
    /// Its settings.
    pub config: RuleConfig,
    program: Program,
    wanted: Vec<Wanted>,
}

impl std::fmt::Debug for UserRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRule").field("name", &self.config.name).finish_non_exhaustive()
    }
}

impl UserRule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with its condition, with the place where the text has one.
    pub fn compile(config: &RuleConfig) -> Result<Self, String> {
        let say = |why: String| format!("rule {:?}: {why}", config.name);
        if config.when.len() > MOST_TEXT {
            return Err(say(format!("the condition is longer than {MOST_TEXT} bytes")));
        }
        let mut wanted = Vec::new();
        let mut wrong = None;
        let text = replace(&WINDOW, &config.when, |c| match window(c, wanted.len()) {
            Ok(w) => {
                let name = w.name.clone();
                wanted.push(w);
                name
            }
            Err(e) => {
                wrong = Some(e);
                String::new()
            }
        });
        if let Some(e) = wrong {
            return Err(say(e));
        }
        let text =
            replace(&UNIT, &text, |c| unit(c.get(1).map_or("", |m| m.as_str()), c.get(2).map_or("", |m| m.as_str())));
        // Numbers are all of one kind, so that 1 and 1.0 compare.
        let mut text = text;
        for _ in 0..2 {
            text = replace(&WHOLE, &text, |c| {
                let part = |i: usize| c.get(i).map_or("", |m| m.as_str());
                format!("{}{}.0{}", part(1), part(2), part(3))
            });
        }
        let program = Program::compile(&text).map_err(|e| say(format!("{e}")))?;
        let rule = Self { config: config.clone(), program, wanted };
        rule.check().map_err(say)?;
        Ok(rule)
    }

    /// Tries the rule on a sample that has everything: names and types show.
    fn check(&self) -> Result<(), String> {
        let mut s = Sample::new(0.0);
        for c in Column::ALL {
            s.set(*c, 1.0);
        }
        let values = self.wanted.iter().map(|w| (w.name.clone(), 1.0)).collect();
        self.evaluate(&s, &values).map(drop)
    }

    fn evaluate(&self, s: &Sample, spans: &HashMap<String, f64>) -> Result<bool, String> {
        let mut context = Context::with_env(Arc::new(Env::stdlib()));
        let mut groups: BTreeMap<&str, HashMap<String, f64>> = BTreeMap::new();
        for c in Column::ALL {
            if let (Some(v), Some((group, name))) = (s.get(*c), c.name().split_once('.')) {
                groups.entry(group).or_default().insert(name.to_owned(), v);
            }
        }
        for (group, values) in groups {
            context.add_variable(group, values).map_err(|e| e.to_string())?;
        }
        for (name, v) in spans {
            context.add_variable(name.as_str(), *v).map_err(|e| e.to_string())?;
        }
        match self.program.execute(&context).map_err(|e| e.to_string())? {
            cel::Value::Bool(b) => Ok(b),
            other => Err(format!("the condition gives {other:?}, expected true or false")),
        }
    }
}

fn replace(pattern: &LazyLock<Option<Regex>>, text: &str, with: impl FnMut(&regex::Captures<'_>) -> String) -> String {
    match pattern.as_ref() {
        Some(p) => p.replace_all(text, with).into_owned(),
        None => text.to_owned(),
    }
}

fn window(c: &regex::Captures<'_>, number: usize) -> Result<Wanted, String> {
    let part = |i: usize| c.get(i).map_or("", |m| m.as_str());
    let column = Column::of(part(1)).ok_or_else(|| {
        let known: Vec<&str> = Column::ALL.iter().map(|c| c.name()).collect();
        format!("there is no {:?}; there are {}", part(1), known.join(", "))
    })?;
    let span = Period::from_str(part(3))?;
    let over = match part(2) {
        "slope" => Over::Slope,
        "delta" => Over::Delta,
        "min" => Over::Min,
        "max" => Over::Max,
        _ => Over::Mean,
    };
    Ok(Wanted { name: format!("span_{number}"), column, over, seconds: span.0.as_secs_f64().max(1.0) })
}

fn unit(number: &str, unit: &str) -> String {
    let n: f64 = number.parse().unwrap_or(0.0);
    let scale = match unit {
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "ms" => 1e-3,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => 1.0,
    };
    format!("{:?}", n * scale)
}

/// The rules of one target, with what they remember.
#[derive(Debug, Default)]
pub struct UserRules {
    rules: Arc<Vec<UserRule>>,
    /// For each rule, for each of its spans: recent points.
    windows: Vec<Vec<VecDeque<(f64, f64)>>>,
    since: Vec<Option<f64>>,
}

/// A user's rule that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Its id.
    pub rule: String,
    /// The level it raises.
    pub level: WatchLevel,
    /// Whether it asks for evidence.
    pub capture: bool,
    /// What to do.
    pub advice: String,
    /// The condition as written.
    pub when: String,
}

impl UserRules {
    /// Rules for one target.
    #[must_use]
    pub fn new(rules: Arc<Vec<UserRule>>) -> Self {
        let windows = rules.iter().map(|r| vec![VecDeque::new(); r.wanted.len()]).collect();
        Self { since: vec![None; rules.len()], windows, rules }
    }

    /// Takes a sample; the rules that hold.
    pub fn push(&mut self, s: &Sample) -> Vec<Held> {
        let mut out = Vec::new();
        for ((rule, windows), since) in self.rules.iter().zip(&mut self.windows).zip(&mut self.since) {
            let mut spans = HashMap::new();
            for (w, points) in rule.wanted.iter().zip(windows) {
                if let Some(v) = over(w, points, s) {
                    spans.insert(w.name.clone(), v);
                }
            }
            // A number that is absent is an error of evaluation: the rule does not hold.
            let holds = spans.len() == rule.wanted.len() && rule.evaluate(s, &spans).unwrap_or(false);
            if !holds {
                *since = None;
                continue;
            }
            let start = *since.get_or_insert(s.at_s);
            if s.at_s - start >= rule.config.hold.0.as_secs_f64() {
                out.push(Held {
                    rule: rule.config.name.clone(),
                    level: rule.config.level,
                    capture: rule.config.capture,
                    advice: rule.config.advice.clone(),
                    when: rule.config.when.clone(),
                });
            }
        }
        out
    }
}

fn over(w: &Wanted, points: &mut VecDeque<(f64, f64)>, s: &Sample) -> Option<f64> {
    let value = s.get(w.column)?;
    let step = w.seconds / POINTS as f64;
    if points.back().is_none_or(|p| s.at_s - p.0 >= step) {
        points.push_back((s.at_s, value));
    }
    while points.front().is_some_and(|p| s.at_s - p.0 > w.seconds * 1.02) || points.len() > 2 * POINTS {
        points.pop_front();
    }
    // Until the span is there, nothing is said of it.
    let first = points.front()?;
    if s.at_s - first.0 < 0.9 * w.seconds {
        return None;
    }
    let values = points.iter().map(|p| p.1).chain([value]);
    Some(match w.over {
        Over::Slope => theil_sen(points.make_contiguous())?,
        Over::Delta => value - first.1,
        Over::Min => values.fold(f64::INFINITY, f64::min),
        Over::Max => values.fold(f64::NEG_INFINITY, f64::max),
        Over::Mean => values.sum::<f64>() / (points.len() + 1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(when: &str) -> Result<UserRule, String> {
        UserRule::compile(&RuleConfig { name: "mine".into(), when: when.into(), ..RuleConfig::default() })
    }

    #[test]
    fn conditions_with_units_and_spans() {
        let r = rule("heap.live > 1.MiB && heap.live.slope('1m') > 1.MiB/s").unwrap();
        let mut rules = UserRules::new(Arc::new(vec![r]));
        let mut fired = Vec::new();
        for i in 0..40 {
            let mut s = Sample::new(f64::from(i) * 5.0);
            let rate = if i < 20 { 0.5 } else { 3.0 };
            s.set(Column::HeapLive, 5e6 + rate * 1048576.0 * 5.0 * f64::from(i));
            if !rules.push(&s).is_empty() {
                fired.push(i);
            }
        }
        assert!(fired.first().is_some_and(|f| (20..30).contains(f)), "{fired:?}");
    }

    #[test]
    fn whole_numbers_compare_with_sizes() {
        let r = rule("go.goroutines >= 10 && go.goroutines < 20 && gc.cycles == 3").unwrap();
        let mut rules = UserRules::new(Arc::new(vec![r]));
        let mut s = Sample::new(1.0);
        s.set(Column::Goroutines, 10.0);
        assert!(rules.push(&s).is_empty(), "a number is absent");
        s.at_s = 2.0;
        s.set(Column::GcCycles, 3.0);
        assert_eq!(rules.push(&s).len(), 1);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(rule("heap.live >").is_err());
        assert!(rule("heap.alive.slope('5m') > 1").unwrap_err().contains("heap.live"));
        assert!(rule("heap.live.slope('5x') > 1").is_err());
        assert!(rule("heap.live").unwrap_err().contains("true or false"));
        assert!(rule("nothing > 1").is_err());
    }
}

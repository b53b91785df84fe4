//! The user's own text for a webhook's body (Jinja2 syntax by minijinja). Owns the bounds: instructions, size
//! of the template and of what comes out. A template has no access to files or the environment.

use super::types::Notification;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

/// Most bytes of a template and of what it makes.
const MOST: usize = 256 << 10;
/// Most instructions that one rendering may take.
const FUEL: u64 = 1_000_000;

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::None);
    // A misspelled field is an error, not an empty text that nobody notices.
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(50);
    env
}

/// Refuses a template that cannot be read.
pub(crate) fn check(template: &str) -> Result<(), String> {
    if template.len() > MOST {
        return Err(format!("template: larger than {MOST} bytes"));
    }
    environment().template_from_str(template).map(|_| ()).map_err(|e| format!("template: {e}"))
}

/// The body of a notification.
pub(crate) fn render(template: &str, notification: &Notification) -> Result<String, String> {
    check(template)?;
    let text = environment()
        .render_str(template, minijinja::Value::from(minijinja::value::Serde(notification)))
        .map_err(|e| format!("template: {e}"))?;
    if text.len() > MOST {
        return Err(format!("template: it makes more than {MOST} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::types::{ALERT_SCHEMA, AlertDocument, AlertState, tests::alert};
    use super::*;
    use model::WatchLevel;

    fn notification() -> Notification {
        let mut a = alert("web", "forecast", Some("main.put"), WatchLevel::Critical);
        a.title = "a \"quoted\" title".into();
        let schema = ALERT_SCHEMA.to_owned();
        let peak = a.level;
        let doc = AlertDocument { schema, status: AlertState::Firing, peak, resolved_at: None, alert: a };
        Notification::of(vec![doc], false).unwrap()
    }

    #[test]
    fn fills_in_the_fields_of_the_document() {
        let t = "{\"t\": {{ title|tojson }}, \"n\": \"{{ targets|join(',') }} {{ level|upper }}\"\
                 {% for a in alerts %}, \"{{ a.rule }}\": {{ a.seconds_left.p50 }}{% endfor %}}";
        let json: serde_json::Value = serde_json::from_str(&render(t, &notification()).unwrap()).unwrap();
        assert_eq!(json["t"], "a \"quoted\" title");
        assert_eq!(json["n"], "web CRITICAL");
        assert_eq!(json["forecast"], 40.0);
    }

    #[test]
    fn bounds_hostile_templates() {
        for bad in
            ["{{", "{{ nonsense }}", "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"]
        {
            assert!(render(bad, &notification()).is_err(), "{bad}");
        }
        assert!(render("{{ 'x' * 300000 }}", &notification()).is_err());
        assert!(check(&"x".repeat(MOST + 1)).is_err());
    }
}

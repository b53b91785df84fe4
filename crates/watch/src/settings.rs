//! How settings are written down once: field, comment and default make the struct, its reader and the
//! printed configuration. Owns the macro and the printing; knows no setting.

/// Comment lines of one key.
pub(crate) type Doc = (&'static str, &'static [&'static str]);

/// A struct of settings: serde in kebab-case, unknown keys refused, `Default` as written, `check()` (which
/// the type has to define) run after reading, and the comments as data in `DOCS`.
macro_rules! settings {
    ($(#[doc = $about:literal])+ $name:ident {
        $( $(#[doc = $doc:literal])+ $field:ident: $ty:ty = $default:expr, )*
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(remote = "Self", default, deny_unknown_fields, rename_all = "kebab-case")]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $name {
            /// Every key with the lines of its comment.
            pub(crate) const DOCS: &'static [$crate::settings::Doc] =
                &[ $( (stringify!($field), &[$($doc),+]), )* ];
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, to)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let settings = Self::deserialize(from)?;
                settings.check().map_err(serde::de::Error::custom)?;
                Ok(settings)
            }
        }
    };
}
pub(crate) use settings;

/// The keys of a table as TOML lines, each under its comment, each line behind `prefix`. Keys whose value
/// is a table or absent are left out.
pub(crate) fn documented(docs: &[Doc], values: &impl serde::Serialize, prefix: &str) -> String {
    let table = toml::Table::try_from(values).unwrap_or_default();
    let mut out = String::new();
    for (field, lines) in docs {
        let key = field.replace('_', "-");
        let Some(value) = table.get(&key) else { continue };
        let inline = match value {
            // Sections of their own: sinks, and tables that can be switched off.
            toml::Value::Array(a) if a.is_empty() || a.iter().all(toml::Value::is_table) => continue,
            toml::Value::Table(t) if t.contains_key("enabled") => continue,
            v => inline(v),
        };
        if !out.is_empty() {
            out.push('\n');
        }
        for line in *lines {
            out.push_str(&format!("#{line}\n"));
        }
        out.push_str(&format!("{prefix}{key} = {inline}\n"));
    }
    out
}

/// A value on one line.
fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(t) if t.is_empty() => "{}".to_owned(),
        toml::Value::Table(t) => {
            let pairs: Vec<String> = t.iter().map(|(k, v)| format!("{k} = {}", inline(v))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        toml::Value::Array(a) => format!("[{}]", a.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

//! The commented defaults again, with the values that are in force in their places: a file that could be saved and used.

use std::collections::BTreeMap;

use super::layers::{DEFAULTS, Raw, SECRETS, Settings};

/// A value that is the default's keeps its line as it is.
pub(super) fn effective(settings: &Settings, defaults: &Settings) -> String {
    let mut section = "";
    let mut printed = String::with_capacity(DEFAULTS.len());
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let key = line.split_once(" = ").map(|(key, _)| (key, format!("{section}.{key}")));
        match key {
            Some((name, key)) if !line.starts_with('#') && settings.raw(&key) != defaults.raw(&key) => {
                if SECRETS.contains(&key.as_str()) {
                    printed.extend([name, " = \"\" # is set, not shown"]);
                } else {
                    printed.extend([name, " = ", &settings.raw(&key).map(written).unwrap_or_default()]);
                }
            }
            _ => printed += line,
        }
        printed.push('\n');
    }
    printed
}

fn written(raw: &Raw) -> String {
    match raw {
        Raw::One(text) if text.parse::<bool>().is_ok() => text.clone(),
        Raw::One(text) if text.parse::<u64>().is_ok_and(|it| it.to_string() == *text) => text.clone(),
        Raw::One(text) => quoted(text),
        Raw::Many(texts) => format!("[{}]", texts.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(", ")),
        Raw::Pairs(pairs) => table(pairs),
    }
}

fn table(pairs: &BTreeMap<String, String>) -> String {
    if pairs.is_empty() {
        return "{}".to_owned();
    }
    let pairs: Vec<_> = pairs.iter().map(|(name, text)| format!("{} = {}", quoted(name), quoted(text))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A JSON string is a TOML basic string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

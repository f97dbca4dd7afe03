//! The environment layer: `THRONG_<SECTION>__<KEY>`.

use super::{Config, ConfigError};

/// All variables of this program begin so.
const PREFIX: &str = "THRONG_";
/// Between section and key. Two, because keys contain single ones.
const SEPARATOR: &str = "__";
/// Variables that something else reads: the SIMD level, the log filter, and what a player gives the Python client, who may have
/// it set for a whole terminal.
const OTHERS: [&str; 3] = ["THRONG_SIMD", "THRONG_LOG", "THRONG_PASSWORD"];

/// Lays every setting in `environment` over `table`, in the order of their names.
///
/// A variable with the separator must name a setting. One without it that would be a setting if it had the
/// separator is taken for a misspelling. Any other is only warned of: orchestrators put variables named after
/// a service (`THRONG_SERVICE_HOST`) into every process.
pub(super) fn overlay(
    table: &mut toml::Table,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<String>, ConfigError> {
    let defaults = default_table();
    let mut variables: Vec<(String, String)> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX) && !OTHERS.contains(&name.as_str()))
        .collect();
    variables.sort();

    let mut warnings = Vec::new();
    for (name, found) in variables {
        let path = name[PREFIX.len()..].to_ascii_lowercase();
        let Some((section, key)) = path.split_once(SEPARATOR) else {
            if let Some(meant) = misspelt(&defaults, &path) {
                let reason = "it has one underscore between section and key, needed are two".to_owned();
                let remedy = format!("write {meant}, or unset it");
                return Err(ConfigError::Environment { name, found, reason, remedy });
            }
            warnings.push(format!("{name} is set but names no setting of throng; it is ignored"));
            continue;
        };
        let Some(default) = defaults.get(section).and_then(|keys| keys.get(key)) else {
            let (reason, remedy) = unknown(&defaults, section, key);
            return Err(ConfigError::Environment { name, found, reason, remedy });
        };
        let value = value_like(default, &found);
        if let Err(error) = deserialises_alone(section, key, value.clone()) {
            let reason = error.message().trim().to_owned();
            let remedy = format!(
                "set it to a value like the default, {default}, or unset it; what {section}.{key} means: \
                 throng serve --print-config"
            );
            return Err(ConfigError::Environment { name, found, reason, remedy });
        }
        let keys = table.entry(section).or_insert_with(|| toml::Table::new().into());
        if let Some(keys) = keys.as_table_mut() {
            keys.insert(key.to_owned(), value);
        }
    }
    Ok(warnings)
}

/// Every section and key with its default.
fn default_table() -> toml::Table {
    // A Config is strings, numbers, lists and enums only, which always have a TOML form; an empty table would refuse
    // every variable by name, so even a bug here is loud.
    toml::Table::try_from(Config::default()).unwrap_or_default()
}

/// `found` as the kind of value that `default` is; what does not parse stays a string, for serde to refuse by name.
fn value_like(default: &toml::Value, found: &str) -> toml::Value {
    let text = || toml::Value::String(found.to_owned());
    match default {
        toml::Value::Integer(_) => {
            found.replace('_', "").parse().map_or_else(|_| text(), toml::Value::Integer)
        }
        toml::Value::Float(_) => found.parse().map_or_else(|_| text(), toml::Value::Float),
        toml::Value::Boolean(_) => found.parse().map_or_else(|_| text(), toml::Value::Boolean),
        toml::Value::Array(_) => list(found).unwrap_or_else(text),
        _ => text(),
    }
}

/// A list as TOML has it, or just its texts with commas between them. None for what begins as a list and is none.
fn list(found: &str) -> Option<toml::Value> {
    if found.trim_start().starts_with('[') {
        let mut table = toml::from_str::<toml::Table>(&format!("list = {found}")).ok()?;
        return table.remove("list");
    }
    let texts = found.split(',').map(str::trim).filter(|text| !text.is_empty());
    Some(toml::Value::Array(texts.map(|text| toml::Value::String(text.to_owned())).collect()))
}

/// Whether the value fits its setting, asked alone so that an error can be blamed on this variable.
fn deserialises_alone(section: &str, key: &str, value: toml::Value) -> Result<Config, toml::de::Error> {
    let keys = toml::Table::from_iter([(key.to_owned(), value)]);
    toml::Table::from_iter([(section.to_owned(), keys.into())]).try_into()
}

/// The variable that was meant when `path` is section and key joined by a single underscore.
fn misspelt(defaults: &toml::Table, path: &str) -> Option<String> {
    defaults.iter().find_map(|(section, keys)| {
        let key = path.strip_prefix(section.as_str())?.strip_prefix('_')?;
        keys.get(key)?;
        Some(format!("{PREFIX}{}{SEPARATOR}{}", section.to_ascii_uppercase(), key.to_ascii_uppercase()))
    })
}

/// Reason and remedy for a section or key that does not exist.
fn unknown(defaults: &toml::Table, section: &str, key: &str) -> (String, String) {
    let names = |table: &toml::Table| table.keys().cloned().collect::<Vec<_>>().join(", ");
    match defaults.get(section).and_then(toml::Value::as_table) {
        None => (
            format!("there is no section `{section}`"),
            format!("the sections are {}; correct it, or unset it", names(defaults)),
        ),
        Some(keys) => (
            format!("section `{section}` has no key `{key}`"),
            format!("its keys are {}; correct it, or unset it", names(keys)),
        ),
    }
}

//! Every key of the configuration as a document: `docs/config.md`. It is made of the types that read
//! the file, so that no key, default or description is written twice.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::RawConfig;

/// Defaults that depend on the machine; the description of the key says how.
const OF_THE_MACHINE: [&str; 1] = ["rpc.heavy_reads"];

const HEAD: &str = "# Configuration of a node\n\n\
    Made of the program; `cargo xtask gen` writes this file.\n\n\
    Layers, each stronger than the one before: default, file (`node.toml`), environment, flags. The\n\
    environment joins section and key with two underscores: `ANDE_L1__CHAIN_ID=1` sets `chain_id` of\n\
    `[l1]`. A key that is not here is an error in any layer. Paths start at the configuration file.\n\
    `ande config show` prints what a node would use and which layer set it, `ande config check` all\n\
    that is wrong with it.\n";

/// `docs/config.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    let settings = SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<RawConfig>().to_value();
    let all = sorted(&schema);
    let (sections, single): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, schema)| members(schema).is_some());
    table(&mut text, "Outside sections", "", "", single);
    for (name, section) in sections {
        table(&mut text, &format!("`[{name}]`"), about(section), name, sorted(section));
    }
    text
}

/// Adds the keys of a section.
fn table(text: &mut String, title: &str, about: &str, section: &str, keys: Vec<(&str, &Value)>) {
    let about = if about.is_empty() { String::new() } else { format!("{about}\n\n") };
    let _ = write!(text, "\n## {title}\n\n{about}| Key | Value | Default | |\n|---|---|---|---|\n");
    for (key, schema) in keys {
        let default = match schema.get("default") {
            _ if OF_THE_MACHINE.contains(&format!("{section}.{key}").as_str()) => String::new(),
            None | Some(Value::Null) => String::new(),
            Some(value) => format!("`{value}`"),
        };
        let row = [format!("`{key}`"), kind(schema), default, describe(schema)];
        let row = row.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

/// The keys of a section, none of what is no section. One that may be absent is one too.
fn members(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").map_or_else(|| present(schema).and_then(members), Value::as_object)
}

/// What an optional value is when it is there.
fn present(schema: &Value) -> Option<&Value> {
    let some = |schema: &&Value| schema.get("type").and_then(Value::as_str) != Some("null");
    schema.get("anyOf")?.as_array()?.iter().find(some)
}

/// The keys of a section by name: the order in which libraries keep them is no order.
fn sorted(schema: &Value) -> Vec<(&str, &Value)> {
    let mut keys: Vec<_> =
        members(schema).into_iter().flatten().map(|(key, it)| (key.as_str(), it)).collect();
    keys.sort_by_key(|(key, _)| *key);
    keys
}

fn about(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// The choices of a value that has some.
fn choices(schema: &Value) -> &[Value] {
    match schema.get("oneOf").and_then(Value::as_array) {
        Some(all) => all,
        None => present(schema).map_or(&[], choices),
    }
}

/// What is said of a key, with what is said of each choice.
fn describe(schema: &Value) -> String {
    let mut text = about(schema).to_owned();
    for choice in choices(schema) {
        let _ = write!(text, "<br>{}: {}", kind(choice), about(choice));
    }
    text
}

/// What a value looks like in the file.
fn kind(schema: &Value) -> String {
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    let choices: Vec<String> = choices(schema).iter().map(kind).collect();
    if !choices.is_empty() {
        return choices.join(", ");
    }
    if let Some(some) = present(schema) {
        return kind(some);
    }
    let types = schema.get("type");
    let name = match types {
        Some(Value::Array(types)) => {
            types.iter().find_map(|it| it.as_str().filter(|it| *it != "null"))
        }
        types => types.and_then(Value::as_str),
    };
    match name {
        Some("boolean") => "`true`, `false`".to_owned(),
        Some(name @ ("integer" | "number")) => name.to_owned(),
        Some("string") => "text".to_owned(),
        Some("array") => format!("list of {}", schema.get("items").map_or_else(String::new, kind)),
        Some("object") => {
            let member = |(key, schema): (&str, &Value)| format!("{key} = {}", kind(schema));
            let members: Vec<_> = sorted(schema).into_iter().map(member).collect();
            format!("`{{ {} }}`", members.join(", "))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of the document: section, key, value, default, description.
    fn rows(text: &str) -> Vec<[String; 5]> {
        let mut section = String::new();
        let mut rows = Vec::new();
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                section = title.trim_matches(['`', '[', ']']).to_owned();
            } else if line.starts_with("| `") {
                let cells: Vec<_> =
                    line.split(" | ").map(|it| it.trim_matches(['|', ' '])).collect();
                let [key, kind, default, about] = cells[..] else { panic!("{line}") };
                let cells = [section.as_str(), key.trim_matches('`'), kind, default, about];
                rows.push(cells.map(str::to_owned));
            }
        }
        rows
    }

    #[test]
    fn every_key_that_is_read_is_described_with_its_default() {
        let rows = rows(&reference());
        let mut wanted = serde_json::to_value(RawConfig::default()).unwrap();
        wanted["engine"] = serde_json::to_value(super::super::RawEngine::default()).unwrap();
        let celestia = crate::config::celestia::RawCelestia::default();
        wanted["celestia"] = serde_json::to_value(celestia).unwrap();
        let mut count = 0;
        for (name, value) in wanted.as_object().unwrap() {
            let (section, keys) = match value {
                Value::Object(keys) => (name.as_str(), keys.clone()),
                value => ("Outside sections", Map::from_iter([(name.clone(), value.clone())])),
            };
            for (key, default) in keys {
                count += 1;
                let row = rows.iter().find(|row| (row[0].as_str(), &row[1]) == (section, &key));
                let [_, _, kind, shown, about] = row.unwrap_or_else(|| panic!("{section} {key}"));
                assert!(!kind.is_empty() && about.len() > 5, "{section} {key}: {kind} {about}");
                if default.is_null()
                    || OF_THE_MACHINE.contains(&format!("{section}.{key}").as_str())
                {
                    assert_eq!(shown, "", "{section} {key}");
                } else {
                    assert_eq!(*shown, format!("`{default}`"), "{section} {key}");
                }
            }
        }
        assert_eq!(rows.len(), count, "a key that nothing reads");
    }

    #[test]
    fn choices_are_shown_as_they_are_written() {
        let rows = rows(&reference());
        let of = |key: &str| rows.iter().find(|row| row[1] == key).unwrap();
        assert_eq!(of("executor")[2], "`\"evm\"`, `\"none\"`");
        assert_eq!(of("finality")[2], "`\"finalized\"`, `\"safe\"`, `{ depth = integer }`");
        assert_eq!(of("rpc_urls")[2], "list of text");
        assert!(of("builder")[4].contains("testing_buildBlockV1"), "{:?}", of("builder"));
    }
}

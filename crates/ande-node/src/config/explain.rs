//! Every value with the layer it comes from.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::{ConfigError, Overrides, RawConfig, layers};

/// Keys of endpoints: what follows the host, and what precedes it, may be a secret.
const ENDPOINTS: [&str; 5] =
    ["l1.rpc_urls", "l1.beacon_urls", "engine.url", "engine.builder_url", "celestia.url"];

/// A value and where it was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Key with its section, for example `chain.block_time_ms`.
    pub key: String,
    /// Its value; endpoints only with scheme, host and port. None when it is left out.
    pub value: Value,
    /// `default`, `file` or `environment`.
    pub origin: &'static str,
}

/// The values that a node with this file would use, in the order of the sections.
///
/// # Errors
/// A file that cannot be read or has an unknown key.
pub fn explain(file: &Path) -> Result<Vec<Setting>, ConfigError> {
    let layers = layers(file, &Overrides::default())?;
    let raw: RawConfig = layers.extract().map_err(|error| ConfigError::Parse(Box::new(error)))?;
    // What cannot be JSON cannot have been read either.
    let tree = serde_json::to_value(&raw).unwrap_or_default();
    let mut settings = Vec::new();
    collect("", &tree, &mut |key, value| {
        let name = layers.find_metadata(key).map(|metadata| metadata.name.to_string());
        let origin = match name.as_deref() {
            Some(name) if name.contains("environment") => "environment",
            Some(name) if name.contains("TOML") => "file",
            _ => "default",
        };
        let value = if ENDPOINTS.contains(&key) { hidden(value) } else { value.clone() };
        settings.push(Setting { key: key.to_owned(), value, origin });
    });
    Ok(settings)
}

/// Calls `take` for every value that is no section.
fn collect(prefix: &str, tree: &Value, take: &mut impl FnMut(&str, &Value)) {
    let Value::Object(section) = tree else { return take(prefix, tree) };
    for (name, value) in section {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        collect(&key, value, take);
    }
}

fn hidden(value: &Value) -> Value {
    match value {
        Value::Array(all) => all.iter().map(hidden).collect(),
        Value::String(text) => Value::String(endpoint(text)),
        other => other.clone(),
    }
}

fn endpoint(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return "not a URL".to_owned() };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let more = url.path() != "/" || url.query().is_some() || !url.username().is_empty();
    let rest = if more { "/(hidden)" } else { "" };
    format!("{}://{}{port}{rest}", url.scheme(), url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_origins_and_no_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.toml");
        let text = "mode = \"contract\"\n[l1]\nchain_id = 7\n\
                    rpc_urls = [\"https://user:word@rpc.example:444/v3/token\", \"http://plain:1\"]\n";
        std::fs::write(&file, text).unwrap();
        let settings = explain(&file).unwrap();
        let of = |key: &str| settings.iter().find(|setting| setting.key == key).unwrap();
        assert_eq!((of("l1.chain_id").origin, &of("l1.chain_id").value), ("file", &7.into()));
        assert_eq!(of("chain.block_time_ms").origin, "default");
        let urls = serde_json::json!(["https://rpc.example:444/(hidden)", "http://plain:1"]);
        assert_eq!(of("l1.rpc_urls").value, urls);
        assert_eq!(of("keys.validator").value, Value::Null);
        std::fs::write(&file, "[l1]\nchain = 7").unwrap();
        assert!(explain(&file).unwrap_err().to_string().contains("chain"));
    }
}

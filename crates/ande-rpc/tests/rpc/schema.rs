//! Just enough of JSON Schema to judge answers.

use regex::Regex;
use serde_json::Value;

/// Checks `value` against `schema`; references are resolved in `root` as JSON pointers.
///
/// Knows `$ref`, `oneOf`, `anyOf`, `allOf`, `type`, `enum`, `pattern`, `minimum`, `required`,
/// `properties`, `additionalProperties: false` and `items`, and refuses schemas with more.
pub(crate) fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    Checker { root }.check(schema, value, "$")
}

struct Checker<'a> {
    root: &'a Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let schema = schema.as_object().ok_or_else(|| format!("{at}: the schema is no object"))?;
        for (keyword, rule) in schema {
            match keyword.as_str() {
                "title" | "description" => {}
                "$ref" => {
                    let pointer = rule.as_str().unwrap().trim_start_matches('#');
                    let target = self.root.pointer(pointer);
                    self.check(target.unwrap_or_else(|| panic!("no {pointer}")), value, at)?;
                }
                "oneOf" | "anyOf" => {
                    let matching = rule
                        .as_array()
                        .unwrap()
                        .iter()
                        .filter(|choice| self.check(choice, value, at).is_ok())
                        .count();
                    let wanted = if keyword == "oneOf" { 1..=1 } else { 1..=usize::MAX };
                    if !wanted.contains(&matching) {
                        return Err(format!("{at}: {matching} of {keyword} match {value}"));
                    }
                }
                "allOf" => {
                    for part in rule.as_array().unwrap() {
                        self.check(part, value, at)?;
                    }
                }
                "type" => {
                    let fits = match rule.as_str().unwrap() {
                        "null" => value.is_null(),
                        "boolean" => value.is_boolean(),
                        "integer" => value.is_u64() || value.is_i64(),
                        "number" => value.is_number(),
                        "string" => value.is_string(),
                        "array" => value.is_array(),
                        "object" => value.is_object(),
                        other => panic!("type {other}"),
                    };
                    if !fits {
                        return Err(format!("{at}: {value} is no {rule}"));
                    }
                }
                "enum" => {
                    if !rule.as_array().unwrap().contains(value) {
                        return Err(format!("{at}: {value} is none of {rule}"));
                    }
                }
                "pattern" => {
                    let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                    if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                        return Err(format!("{at}: {value} does not match {rule}"));
                    }
                }
                "minimum" => {
                    if value.as_f64().is_some_and(|number| number < rule.as_f64().unwrap()) {
                        return Err(format!("{at}: {value} is below {rule}"));
                    }
                }
                "required" => {
                    let object = value.as_object();
                    for name in rule.as_array().unwrap() {
                        let name = name.as_str().unwrap();
                        if object.is_some_and(|object| !object.contains_key(name)) {
                            return Err(format!("{at}: {name} is missing in {value}"));
                        }
                    }
                }
                "properties" => {
                    for (name, schema) in rule.as_object().unwrap() {
                        if let Some(member) = value.get(name) {
                            self.check(schema, member, &format!("{at}.{name}"))?;
                        }
                    }
                }
                "additionalProperties" => {
                    let known = schema.get("properties").and_then(Value::as_object);
                    let strange = value.as_object().and_then(|object| {
                        object
                            .keys()
                            .find(|name| !known.is_some_and(|known| known.contains_key(*name)))
                    });
                    if rule == &Value::Bool(false)
                        && let Some(name) = strange
                    {
                        return Err(format!("{at}: {name} is unknown"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}[{index}]"))?;
                    }
                }
                other => panic!("{at}: the schema has an unknown keyword {other}"),
            }
        }
        Ok(())
    }
}

#[test]
fn the_judge_finds_faults() {
    use serde_json::json;
    let schema = json!({
        "type": "object",
        "required": ["a"],
        "properties": { "a": { "oneOf": [{ "type": "null" }, { "type": "string", "pattern": "^0x" }] } },
        "additionalProperties": false,
    });
    let fits = |value: Value| check(&schema, &schema, &value).is_ok();
    assert!(fits(json!({ "a": null })) && fits(json!({ "a": "0x1" })));
    for bad in
        [json!({}), json!([]), json!({ "a": "1" }), json!({ "a": 1 }), json!({ "a": null, "b": 1 })]
    {
        assert!(!fits(bad.clone()), "{bad}");
    }
}

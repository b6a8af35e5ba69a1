//! The format of scenarios, written out from its JSON Schema.

use super::{cell, code};
use crate::scenario::schema::schema;
use serde_json::{Map, Value};
use std::fmt::Write;

/// The reference: the keys of a scenario, of a host, of a file, of each step and fault.
pub fn scenarios() -> String {
    let schema = schema();
    let defs = &schema["$defs"];
    let mut out = "## The file\n".to_owned();
    object(&mut out, defs, &schema);
    out.push_str("\n## A host\n");
    object(&mut out, defs, &defs["hostSpec"]);
    out.push_str("\n## A file of a host\n\nA text, or:\n");
    object(&mut out, defs, &defs["file"]["oneOf"][1]);
    for (title, name) in [("A step", "step"), ("A fault", "fault")] {
        let _ = writeln!(out, "\n## {title}\n\n{}", text(&defs[name]));
        for kind in defs[name]["oneOf"].as_array().into_iter().flatten() {
            let keys = kind["properties"].as_object();
            let required = |key: &&String| is_required(kind, key);
            let names: Vec<String> =
                keys.into_iter().flat_map(Map::keys).filter(required).map(|k| code(k)).collect();
            let _ = writeln!(out, "\n### {}\n\n{}", names.join(", "), text(kind));
            object(&mut out, defs, kind);
        }
    }
    out
}

fn text(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

fn is_required(object: &Value, key: &str) -> bool {
    object["required"].as_array().is_some_and(|all| all.iter().any(|k| k == key))
}

/// The keys of an object as a table.
fn object(out: &mut String, defs: &Value, schema: &Value) {
    out.push_str("\n| key | value | meaning |\n| --- | --- | --- |\n");
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let needed = if is_required(schema, key) { " (required)" } else { "" };
        let about = match text(value) {
            "" => text(target(defs, value)),
            about => about,
        };
        let _ = writeln!(out, "| {}{needed} | {} | {} |", code(key), cell(&kind(value)), cell(about));
    }
}

/// What a reference leads to.
fn target<'v>(defs: &'v Value, value: &'v Value) -> &'v Value {
    match value["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        Some(name) => &defs[name],
        None => value,
    }
}

/// What a value may be, in words.
fn kind(value: &Value) -> String {
    match value["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
        Some("span") => return "a span of time".to_owned(),
        Some("host") => return "a host".to_owned(),
        Some("pair") => return "a host, or a list of two".to_owned(),
        Some("hosts") => return "a host, or a list of them".to_owned(),
        Some("step") => return "[a step](#a-step)".to_owned(),
        Some("fault") => return "[a fault](#a-fault)".to_owned(),
        Some("file") => return "[a file](#a-file-of-a-host)".to_owned(),
        Some("hostSpec") => return "[a host](#a-host)".to_owned(),
        _ => {}
    }
    if let Some(one) = value["const"].as_str() {
        return code(one);
    }
    if let Some(all) = value["enum"].as_array() {
        return all.iter().filter_map(Value::as_str).map(code).collect::<Vec<_>>().join(" or ");
    }
    if let Some(all) = value["oneOf"].as_array() {
        let mut kinds: Vec<String> = all.iter().map(kind).collect();
        kinds.dedup();
        return kinds.join(", or ");
    }
    let types: Vec<&str> = match &value["type"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).filter(|t| *t != "null").collect(),
        one => one.as_str().into_iter().collect(),
    };
    let words = types.iter().map(|t| match *t {
        "string" => "a text".to_owned(),
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "array" => format!("a list, each {}", kind(&value["items"])),
        "object" if value["properties"].is_object() => {
            let keys = value["properties"].as_object().into_iter().flat_map(Map::keys);
            format!("a map with {}", keys.map(|k| code(k)).collect::<Vec<_>>().join(", "))
        }
        "object" => format!("a map, each value {}", kind(&value["additionalProperties"])),
        other => other.to_owned(),
    });
    words.collect::<Vec<_>>().join(" or ")
}

//! The scenario format as a JSON Schema (draft 2020-12), for editors that complete and check.

use serde_json::{Value, json};

/// The schema.
pub fn schema() -> Value {
    let span = json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "description": "A span of time: 30s, 5m, 2h, 1d12h." });
    let host = json!({ "type": "string", "description": "The name of one of the hosts." });
    let hosts = json!({ "oneOf": [host, { "type": "array", "items": host, "minItems": 1 }] });
    let pair = json!({ "oneOf": [host, { "type": "array", "items": host, "minItems": 1, "maxItems": 2 }] });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A maillab scenario",
        "description": "A small Internet and what happens on it.",
        "type": "object",
        "additionalProperties": false,
        "required": ["title", "hosts"],
        "properties": {
            "title": { "type": "string", "description": "What the scenario is called." },
            "summary": { "type": "string", "description": "What the reader should see and why." },
            "clock": { "type": "string", "description": "Virtual time at the start, 2021-01-04T14:45:00Z if not given." },
            "seed": { "type": "integer", "minimum": 0, "description": "The seed of everything random, 1 if not given." },
            "dns": { "type": "string", "description": "Master-file lines with absolute names; TTL and class may be left out." },
            "hosts": {
                "type": "object",
                "description": "The hosts, each by its name. Each gets A or AAAA and PTR records by itself.",
                "additionalProperties": { "$ref": "#/$defs/hostSpec" },
            },
            "steps": { "type": "array", "items": { "$ref": "#/$defs/step" }, "description": "What happens, in order." },
        },
        "$defs": {
            "span": span, "host": host, "hosts": hosts, "pair": pair, "fault": fault(),
            "hostSpec": host_spec(), "file": file(), "step": step(),
        },
    })
}

fn host_spec() -> Value {
    json!({
        "type": ["object", "null"], "additionalProperties": false,
        "properties": {
            "address": {
                "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
                "description": "An IPv4 or IPv6 address, or a list of them.",
            },
            "users": {
                "description": "The people with an account: a list of names, or a map to password and uid.",
                "oneOf": [
                    { "type": "array", "items": { "type": "string" } },
                    {
                        "type": "object",
                        "additionalProperties": {
                            "type": ["object", "null"], "additionalProperties": false,
                            "properties": {
                                "password": { "type": ["string", "number"] },
                                "uid": { "type": "integer", "minimum": 1, "maximum": 65533 },
                            },
                        },
                    },
                ],
            },
            "services": {
                "type": "array", "items": { "enum": ["postfix", "dovecot"] },
                "description": "What runs; postfix if not given, [] for a bare client.",
            },
            "files": {
                "type": "object", "additionalProperties": { "$ref": "#/$defs/file" },
                "description": "Files laid over the base system, by path; owner root, or the user under /home/USER/.",
            },
        },
    })
}

fn file() -> Value {
    json!({
        "oneOf": [
            { "type": "string" },
            {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "text": { "type": "string" },
                    "mode": { "type": ["integer", "string"], "description": "An octal mode such as 755." },
                    "owner": { "type": "string" },
                },
            },
        ],
    })
}

/// An object with these keys, all of them needed, and no others.
fn exactly(description: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(|p| p.keys()).collect();
    json!({
        "type": "object", "additionalProperties": false,
        "description": description, "required": required, "properties": properties,
    })
}

/// The same with further keys that may be there.
fn with(mut object: Value, more: Value) -> Value {
    if let (Some(all), Value::Object(more)) = (object["properties"].as_object_mut(), more) {
        all.extend(more);
    }
    object
}

fn fault() -> Value {
    let host = json!({ "$ref": "#/$defs/host" });
    let hosts = json!({ "$ref": "#/$defs/hosts" });
    let pair = json!({ "$ref": "#/$defs/pair" });
    let span = json!({ "$ref": "#/$defs/span" });
    json!({
        "description": "What breaks: one of these.",
        "oneOf": [
            exactly("A host, and perhaps a port: connections are refused.", json!({ "refuse": { "type": "string" } })),
            exactly("Nothing passes to and from a host, or between two.", json!({ "drop": pair })),
            exactly("Segments take longer, to and from a host, or between two.", json!({ "delay": pair, "by": span })),
            exactly("These hosts and all others do not reach each other.", json!({ "partition": hosts })),
            exactly("The disk of a host is full.", json!({ "disk_full": host })),
            exactly("The name server of a host answers SERVFAIL.", json!({ "dns_servfail": host })),
            exactly("The name server of a host does not answer.", json!({ "dns_silent": host })),
        ],
    })
}

fn step() -> Value {
    let host = json!({ "$ref": "#/$defs/host" });
    let span = json!({ "$ref": "#/$defs/span" });
    let fault = json!({ "$ref": "#/$defs/fault" });
    let target = json!({ "type": "string", "description": "The host, or address, and the port to call." });
    let chat =
        json!({ "type": "string", "description": "`C: ` lines are sent, `S: ` lines must come back." });
    let source = json!({ "source": { "type": "string", "description": "The address to call from." } });
    let user = json!({ "as": { "type": "string", "description": "Who types; root if not given." } });
    let shell = json!({
        "type": "string",
        "description": "Commands behind `$ `, continued behind `> `, each followed by what it must print.",
    });
    let log =
        json!({ "type": "string", "description": "What the line must hold; [..] stands for any text." });
    let until = with(
        exactly(
            "The host whose mail log is read, and what a line of it must hold.",
            json!({ "host": host, "log": log }),
        ),
        json!({ "within": { "$ref": "#/$defs/span", "description": "How long to wait at most; one hour if not given." } }),
    );
    let heal = json!({ "oneOf": [{ "const": "all" }, fault] });
    json!({
        "description": "What happens: one of these.",
        "oneOf": [
            with(
                exactly("A conversation over TCP.", json!({ "host": host, "telnet": target, "chat": chat })),
                source.clone(),
            ),
            with(
                exactly(
                    "A conversation in TLS from the first octet.",
                    json!({ "host": host, "tls": target, "chat": chat }),
                ),
                source,
            ),
            with(exactly("Commands typed on a host.", json!({ "host": host, "shell": shell })), user),
            exactly("Time passes.", json!({ "wait": span })),
            exactly("A text for the reader.", json!({ "note": { "type": "string" } })),
            exactly("Something breaks.", json!({ "fault": fault })),
            exactly("A fault ends, or all do.", json!({ "heal": heal })),
            exactly("Time passes until the mail log of a host holds a line.", json!({ "until": until })),
        ],
    })
}

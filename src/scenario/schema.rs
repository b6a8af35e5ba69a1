//! The scenario format as a JSON Schema (draft 2020-12), for editors that complete and check.

use serde_json::{Value, json};

/// The schema.
pub fn schema() -> Value {
    let span = json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "description": "A span of time: 30s, 5m, 2h, 1d12h." });
    let host = json!({ "type": "string", "description": "The name of one of the hosts." });
    let hosts = json!({ "oneOf": [host, { "type": "array", "items": host }] });
    let fault = json!({
        "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 2,
        "description": "What breaks: one of these.",
        "properties": {
            "refuse": { "type": "string", "description": "A host, and perhaps a port: connections are refused." },
            "drop": { "$ref": "#/$defs/hosts", "description": "Nothing passes to and from a host, or between two." },
            "delay": { "$ref": "#/$defs/hosts", "description": "Segments take longer, to and from a host, or between two." },
            "by": { "$ref": "#/$defs/span", "description": "With `delay`: how much longer." },
            "partition": { "$ref": "#/$defs/hosts", "description": "These hosts and all others do not reach each other." },
            "disk_full": { "$ref": "#/$defs/host", "description": "The disk of a host is full." },
            "dns_servfail": { "$ref": "#/$defs/host", "description": "The name server of a host answers SERVFAIL." },
            "dns_silent": { "$ref": "#/$defs/host", "description": "The name server of a host does not answer." },
        },
    });
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
            "span": span, "host": host, "hosts": hosts, "fault": fault,
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

fn step() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "description": "One of: chat (with host and telnet), shell (with host), wait, note, fault, heal, until.",
        "properties": {
            "host": { "$ref": "#/$defs/host" },
            "as": { "type": "string", "description": "With `shell`: who types; root if not given." },
            "shell": { "type": "string", "description": "Commands behind `$ `, continued behind `> `, each followed by what it must print." },
            "telnet": { "type": "string", "description": "With `chat`: the host and port to call." },
            "tls": { "type": "string", "description": "With `chat`: the host and port to call, TLS from the first octet." },
            "source": { "type": "string", "description": "With `chat`: the address to call from." },
            "chat": { "type": "string", "description": "`C: ` lines are sent, `S: ` lines must come back." },
            "wait": { "$ref": "#/$defs/span", "description": "Time passes." },
            "note": { "type": "string", "description": "A text for the reader." },
            "fault": { "$ref": "#/$defs/fault" },
            "heal": { "oneOf": [{ "const": "all" }, { "$ref": "#/$defs/fault" }], "description": "A fault ends, or all do." },
            "until": {
                "type": "object", "additionalProperties": false, "required": ["host", "log"],
                "description": "Time passes until the mail log of a host holds a line.",
                "properties": {
                    "host": { "$ref": "#/$defs/host" },
                    "log": { "type": "string", "description": "What the line must hold; [..] stands for any text." },
                    "within": { "$ref": "#/$defs/span", "description": "How long to wait at most; one hour if not given." },
                },
            },
        },
    })
}

//! The JSON Schema says what the loader says: every scenario is valid, and what the loader
//! refuses for its keys and kinds of values is invalid.

use maillab::scenario::{load, schema};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&schema::schema()).expect("the schema is one")
}

fn json(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|e| panic!("{e}:\n{text}"))
}

fn scenarios() -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("src/scenario/load/full.yaml")];
    for folder in ["scenarios", "tests/conformance"] {
        find(Path::new(folder), &mut all);
    }
    all
}

fn find(folder: &Path, all: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).expect("the folder is there").flatten().map(|e| e.path()) {
        if path.is_dir() {
            find(&path, all);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            all.push(path);
        }
    }
}

#[test]
fn every_scenario_is_valid() {
    let (validator, all) = (validator(), scenarios());
    assert!(all.len() > 60, "the scenarios and the recorded cases are there");
    for path in all {
        let text = fs::read_to_string(&path).expect("the scenario is there");
        let errors: Vec<String> =
            validator.iter_errors(&json(&text)).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
}

/// What both refuse, each for one reason.
const BAD: &[&str] = &[
    "hosts: {}",
    "title: x",
    "{title: x, hosts: {}, stepz: []}",
    "{title: 12, hosts: {}}",
    "{title: x, hosts: []}",
    "{title: x, hosts: {}, seed: many}",
    "{title: x, hosts: {}, dns: []}",
    "{title: x, hosts: {}, steps: {}}",
    "{title: x, hosts: {a: {adress: 192.0.2.1}}}",
    "{title: x, hosts: {a: {address: {}}}}",
    "{title: x, hosts: {a: {users: alice}}}",
    "{title: x, hosts: {a: {users: {alice: {uid: 0}}}}}",
    "{title: x, hosts: {a: {users: {alice: {home: /x}}}}}",
    "{title: x, hosts: {a: {services: [exim]}}}",
    "{title: x, hosts: {a: {services: postfix}}}",
    "{title: x, hosts: {a: {files: {/x: 12}}}}",
    "{title: x, hosts: {a: {files: {/x: {txt: y}}}}}",
    "{title: x, hosts: {a: }, steps: [{}]}",
    "{title: x, hosts: {a: }, steps: [{note: x, wait: 5m}]}",
    "{title: x, hosts: {a: }, steps: [{note: x, host: a}]}",
    "{title: x, hosts: {a: }, steps: [{shell: $ true}]}",
    "{title: x, hosts: {a: }, steps: [{host: a, shell: $ true, telnet: a 25}]}",
    "{title: x, hosts: {a: }, steps: [{host: a, chat: 'C: QUIT'}]}",
    "{title: x, hosts: {a: }, steps: [{host: a, telnet: a 25, tls: a 25, chat: 'C: QUIT'}]}",
    "{title: x, hosts: {a: }, steps: [{wait: soon}]}",
    "{title: x, hosts: {a: }, steps: [{wait: 5}]}",
    "{title: x, hosts: {a: }, steps: [{fault: all}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {}}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {by: 3s}}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {delay: a}}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {refuse: a, by: 3s}}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {refuse: a, drop: a}}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {drop: []}}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {drop: [a, a, a]}}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {partition: []}}]}",
    "{title: x, hosts: {a: }, steps: [{fault: {disk_full: [a]}}]}",
    "{title: x, hosts: {a: }, steps: [{heal: everything}]}",
    "{title: x, hosts: {a: }, steps: [{until: {host: a}}]}",
    "{title: x, hosts: {a: }, steps: [{until: {host: a, log: x, in: 3s}}]}",
];

#[test]
fn what_the_loader_refuses_is_invalid() {
    let validator = validator();
    for text in BAD {
        assert!(load::load(text).is_err(), "the loader takes {text}");
        assert!(!validator.is_valid(&json(text)), "the schema takes {text}");
    }
}

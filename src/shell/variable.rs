//! Variables: their values and attributes (bash(1), "PARAMETERS" and "Arrays").

use super::quote;
use indexmap::IndexMap;
use std::collections::BTreeMap;

/// A variable's value.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Value {
    /// Declared, and nothing assigned yet.
    #[default]
    Unset,
    /// A text.
    Text(String),
    /// Texts by number.
    Array(BTreeMap<i64, String>),
    /// Texts by key.
    Assoc(Assoc),
}

/// An associative array. It is listed in the order of bash's own hash table, since scripts show it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Assoc(IndexMap<String, String>);

/// How many chains bash's tables of associative arrays have.
const BUCKETS: u32 = 1024;

impl Assoc {
    /// The element under a key.
    pub fn get(&self, key: &str) -> Option<&String> {
        self.0.get(key)
    }

    /// Puts an element in.
    pub fn insert(&mut self, key: String, value: String) {
        self.0.insert(key, value);
    }

    /// Takes an element out.
    pub fn remove(&mut self, key: &str) {
        self.0.shift_remove(key);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All elements, as bash walks its table: chain by chain, each from its newest member.
    pub fn sorted(&self) -> Vec<(&String, &String)> {
        let mut all: Vec<_> = self.0.iter().rev().collect();
        all.sort_by_key(|(key, _)| bucket(key));
        all
    }
}

fn bucket(key: &str) -> u32 {
    key.bytes().fold(2_166_136_261u32, |hash, b| hash.wrapping_mul(16_777_619) ^ u32::from(b)) & (BUCKETS - 1)
}

/// What an assignment does to letters (`declare -u`, `-l`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// `-u`
    Upper,
    /// `-l`
    Lower,
}

/// A variable.
#[derive(Clone, Debug, Default)]
pub struct Variable {
    /// What it holds.
    pub value: Value,
    /// Is it handed to programs?
    pub exported: bool,
    /// May it be changed no more?
    pub readonly: bool,
    /// Is what is assigned evaluated?
    pub integer: bool,
    /// What happens to the letters of what is assigned.
    pub letters: Option<Letters>,
    /// Does it hold the name of another variable that is meant (`declare -n`)?
    pub reference: bool,
}

impl Variable {
    /// A plain variable.
    pub fn new(value: Value) -> Variable {
        Variable { value, ..Variable::default() }
    }

    /// Its text; of an array, the first element.
    pub fn text(&self) -> Option<&String> {
        match &self.value {
            Value::Unset => None,
            Value::Text(text) => Some(text),
            Value::Array(all) => all.get(&0),
            Value::Assoc(all) => all.get("0"),
        }
    }

    /// Makes this its text; of an array, the first element.
    pub fn set_text(&mut self, text: String) {
        match &mut self.value {
            Value::Array(all) => {
                all.insert(0, text);
            }
            Value::Assoc(all) => all.insert("0".to_owned(), text),
            value => *value = Value::Text(text),
        }
    }

    /// All elements, in order.
    pub fn elements(&self) -> Vec<String> {
        match &self.value {
            Value::Unset => Vec::new(),
            Value::Text(text) => vec![text.clone()],
            Value::Array(all) => all.values().cloned().collect(),
            Value::Assoc(all) => all.sorted().into_iter().map(|(_, v)| v.clone()).collect(),
        }
    }

    /// All keys, in order.
    pub fn keys(&self) -> Vec<String> {
        match &self.value {
            Value::Unset => Vec::new(),
            Value::Text(_) => vec!["0".to_owned()],
            Value::Array(all) => all.keys().map(i64::to_string).collect(),
            Value::Assoc(all) => all.sorted().into_iter().map(|(k, _)| k.clone()).collect(),
        }
    }

    /// The letters of its attributes as `declare -p` shows them; `-` where there are none.
    pub fn attributes(&self) -> String {
        let kind = match self.value {
            Value::Array(_) => "a",
            Value::Assoc(_) => "A",
            _ => "",
        };
        let mut out = kind.to_owned();
        for (on, letter) in [
            (self.integer, 'i'),
            (self.letters == Some(Letters::Lower), 'l'),
            (self.reference, 'n'),
            (self.readonly, 'r'),
            (self.letters == Some(Letters::Upper), 'u'),
            (self.exported, 'x'),
        ] {
            if on {
                out.push(letter);
            }
        }
        if out.is_empty() { "-".to_owned() } else { out }
    }

    /// Its value as `declare -p` shows it, `=` in front; nothing where none was assigned.
    pub fn declared(&self) -> String {
        match &self.value {
            Value::Unset => String::new(),
            Value::Text(text) => format!("={}", quote::double(text)),
            Value::Array(all) => {
                let items: Vec<String> =
                    all.iter().map(|(n, t)| format!("[{n}]={}", quote::double(t))).collect();
                format!("=({})", items.join(" "))
            }
            Value::Assoc(all) => {
                let items: Vec<String> = all
                    .sorted()
                    .into_iter()
                    .map(|(k, t)| format!("[{}]={} ", quote::key(k), quote::double(t)))
                    .collect();
                format!("=({})", items.concat())
            }
        }
    }
}

/// Is this a name that a variable can have?
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

//! The values of awk: numbers, texts, and texts that look like numbers.

use crate::shell::commands::conversion::Conversion;
use crate::shell::commands::printf::leading_number;
use indexmap::IndexMap;
use std::cell::RefCell;
use std::rc::Rc;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    Nothing,
    Number(f64),
    Text(Rc<[u8]>),
    /// From input: compares as a number if it looks like one.
    Input(Rc<[u8]>),
}

/// An array, in the order in which its keys came in.
pub type Array = Rc<RefCell<IndexMap<Rc<[u8]>, Value>>>;

/// What a variable holds.
#[derive(Clone, Debug)]
pub enum Slot {
    Value(Value),
    Array(Array),
}

impl Default for Slot {
    fn default() -> Slot {
        Slot::Value(Value::Nothing)
    }
}

/// The number a text begins with.
pub fn number_of(text: &[u8]) -> f64 {
    let end = text.len().min(400);
    let text = String::from_utf8_lossy(&text[..end]);
    leading_number(text.trim_start()).0
}

fn looks_numeric(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let text = text.trim();
    let (_, used) = leading_number(text);
    used > 0 && used == text.len()
}

/// A number as text: whole ones of 32 bits in digits, others by a format such as `%.6g`.
pub fn number_text(n: f64, format: &[u8]) -> Vec<u8> {
    if n.fract() == 0.0 && n.abs() < 2_147_483_648.0 {
        return (n as i64).to_string().into_bytes();
    }
    match Conversion::parse(format.strip_prefix(b"%").unwrap_or(format)) {
        Some((c, _)) if "eEfFgG".contains(c.letter) => c.float(n),
        _ => n.to_string().into_bytes(),
    }
}

impl Value {
    /// As a number.
    pub fn number(&self) -> f64 {
        match self {
            Value::Nothing => 0.0,
            Value::Number(n) => *n,
            Value::Text(t) | Value::Input(t) => number_of(t),
        }
    }

    /// As a text; `format` is CONVFMT or OFMT.
    pub fn text(&self, format: &[u8]) -> Rc<[u8]> {
        match self {
            Value::Nothing => Rc::from(&b""[..]),
            Value::Number(n) => number_text(*n, format).into(),
            Value::Text(t) | Value::Input(t) => t.clone(),
        }
    }

    /// As a condition.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nothing => false,
            Value::Number(n) => *n != 0.0,
            Value::Text(t) => !t.is_empty(),
            Value::Input(t) => {
                if looks_numeric(t) {
                    number_of(t) != 0.0
                } else {
                    !t.is_empty()
                }
            }
        }
    }

    /// Does it compare as a number?
    pub fn numeric(&self) -> bool {
        match self {
            Value::Nothing | Value::Number(_) => true,
            Value::Text(_) => false,
            Value::Input(t) => looks_numeric(t),
        }
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Value {
        Value::Number(n)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Number(f64::from(u8::from(b)))
    }
}

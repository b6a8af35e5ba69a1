//! printf and sprintf of awk.

use super::value::Value;
use crate::shell::commands::conversion::Conversion;
use std::collections::VecDeque;

/// Writes values by a format.
///
/// # Errors
/// When there are too few values, or a conversion is unknown.
pub fn format(format: &[u8], mut values: VecDeque<Value>, convfmt: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut at = 0;
    let shown = || String::from_utf8_lossy(format).into_owned();
    while let Some(b) = format.get(at) {
        at += 1;
        if *b != b'%' {
            out.push(*b);
            continue;
        }
        if format.get(at) == Some(&b'%') {
            out.push(b'%');
            at += 1;
            continue;
        }
        let Some((mut c, used)) = Conversion::parse(&format[at..]) else {
            out.push(b'%');
            continue;
        };
        at += used;
        c.fill(|| values.pop_front().map_or(0, |v| v.number() as i64));
        let Some(value) = values.pop_front() else {
            return Err(format!("not enough arguments passed to sprintf(\"{}\")", shown()));
        };
        let bytes = match c.letter {
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => c.integer(value.number() as i64),
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => c.float(value.number()),
            'c' => match &value {
                Value::Number(n) => c.text(&[*n as i64 as u8]),
                other => {
                    let text = other.text(convfmt);
                    c.text(&text[..text.len().min(1)])
                }
            },
            's' => c.text(&value.text(convfmt)),
            letter => return Err(format!("bad conversion '%{letter}' in \"{}\"", shown())),
        };
        out.extend_from_slice(&bytes);
    }
    Ok(out)
}

//! SMTP (RFC 5321) as both sides need it.
//!
//! - [`mod@line`]: lines of a dialogue
//! - [`command`]: what a client says
//! - [`reply`]: what a server answers
//! - [`dot`]: the message on the wire

pub mod command;
pub mod dot;
pub mod line;
pub mod reply;

use std::fmt::Write;

/// Writes a text as xtext (RFC 3461, section 4): `+`, `=` and what is not printable as `+XX`.
pub fn xtext_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if (33..127).contains(&b) && b != b'+' && b != b'=' {
            out.push(b as char);
        } else {
            let _ = write!(out, "+{b:02X}");
        }
    }
    out
}

/// Reads xtext; `None` where it is none.
pub fn xtext_decode(text: &str) -> Option<String> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&b, tail)) = rest.split_first() {
        if b == b'+' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            out.push(b);
            rest = tail;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn xtext_is_read_back(text in ".{0,60}") {
            prop_assert_eq!(xtext_decode(&xtext_encode(&text)), Some(text));
        }
    }
}

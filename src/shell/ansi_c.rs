//! The escapes of `$'…'` (bash(1), "QUOTING").

/// What the text between `$'` and `'` stands for.
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        rest = one(rest, &mut out);
    }
    out.extend_from_slice(rest.as_bytes());
    if let Some(end) = out.iter().position(|b| *b == 0) {
        out.truncate(end);
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// One escape, its backslash gone; gives what stands behind it.
fn one<'a>(text: &'a str, out: &mut Vec<u8>) -> &'a str {
    let Some(c) = text.chars().next() else {
        out.push(b'\\');
        return text;
    };
    let after = &text[c.len_utf8()..];
    let plain = match c {
        'a' => 7,
        'b' => 8,
        'e' | 'E' => 27,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        '\\' | '\'' | '"' | '?' => c as u8,
        '0'..='7' => {
            let (n, rest) = number(text, 3, 8);
            out.push(n as u8);
            return rest;
        }
        'x' => {
            let (n, rest) = number(after, 2, 16);
            if rest.len() == after.len() {
                out.extend_from_slice(b"\\x");
            } else {
                out.push(n as u8);
            }
            return rest;
        }
        'u' | 'U' => {
            let (n, rest) = number(after, if c == 'u' { 4 } else { 8 }, 16);
            match char::from_u32(n) {
                // In the C locale nothing beyond ASCII can be written.
                Some(c) if c.is_ascii() && rest.len() < after.len() => out.push(c as u8),
                _ if rest.len() == after.len() => out.extend_from_slice(&[b'\\', c as u8]),
                _ => out.extend_from_slice(format!("\\u{n:04X}").as_bytes()),
            }
            return rest;
        }
        'c' => {
            let Some(next) = after.chars().next() else {
                out.extend_from_slice(b"\\c");
                return after;
            };
            out.push(next as u8 & 0x1f);
            return &after[next.len_utf8()..];
        }
        c => {
            out.push(b'\\');
            out.extend_from_slice(c.to_string().as_bytes());
            return after;
        }
    };
    out.push(plain);
    after
}

fn number(text: &str, most: usize, radix: u32) -> (u32, &str) {
    let end = text.bytes().take(most).take_while(|b| char::from(*b).is_digit(radix)).count();
    (u32::from_str_radix(&text[..end], radix).unwrap_or(0), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::decode;
    use proptest::prelude::*;

    #[test]
    fn escapes() {
        assert_eq!(decode(r"a\tb\x41\101\u00e9\'\q"), "a\tbAA\\u00E9'\\q");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,20}") {
            let _ = decode(&text);
        }
    }
}

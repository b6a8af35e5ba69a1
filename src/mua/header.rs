//! Header fields: folding of text and of addresses, and encoded words (RFC 2047).

use super::mime::{base64, push_hex};

/// s-nail counts the first line of a text as if its field had a name of this length.
const FIRST_COLUMN: usize = 18;
/// The longest word that stands alone on a line as it is.
const WIDEST_WORD: usize = 78;
/// No word is added to a line beyond this column.
const WIDTH: usize = 77;
/// The longest encoded word (RFC 2047, section 2).
const ENCODED_WORD: usize = 75;
/// No address is added to a line beyond this column.
const ADDRESS_WIDTH: usize = 72;

/// A field of unstructured text; true when something in it was encoded.
pub fn text_field(out: &mut Vec<u8>, name: &str, value: &str) -> bool {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let encoded = text(out, value);
    out.push(b'\n');
    encoded
}

/// A field of addresses, separated by commas; true when something in it was encoded.
pub fn address_field<'a>(out: &mut Vec<u8>, name: &str, addresses: impl Iterator<Item = &'a str>) -> bool {
    let mut encoded = false;
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b":");
    let mut column = name.len() + 2;
    for (i, address) in addresses.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if i > 0 && column + address.len() > ADDRESS_WIDTH {
            out.push(b'\n');
            column = 1;
        }
        out.push(b' ');
        if address.is_ascii() {
            out.extend_from_slice(address.as_bytes());
        } else {
            encoded |= words(out, address);
        }
        column += address.len() + 2;
    }
    out.push(b'\n');
    encoded
}

/// Encodes the words of an address that need it, without folding.
fn words(out: &mut Vec<u8>, value: &str) -> bool {
    let mut previous = false;
    let mut any = false;
    for (space, word) in split_words(value) {
        out.extend_from_slice(space.as_bytes());
        let encode = needs_encoding(word);
        if encode {
            encoded_words(out, if previous { space } else { "" }, word, |out| out.push(b' '));
        } else {
            out.extend_from_slice(word.as_bytes());
        }
        previous = encode;
        any |= encode;
    }
    any
}

/// Writes folded text; true when something in it was encoded.
fn text(out: &mut Vec<u8>, value: &str) -> bool {
    let mut column = FIRST_COLUMN;
    let mut at_start = true;
    let mut previous = false;
    let mut any = false;
    for (space, word) in split_words(value) {
        let encode = needs_encoding(word) || word.len() > WIDEST_WORD;
        let coded = encode.then(|| {
            let mut coded = Vec::new();
            encoded_words(&mut coded, if previous { space } else { "" }, word, |out| out.push(b'\n'));
            coded
        });
        let pieces: Vec<&[u8]> = match &coded {
            Some(coded) => coded.split(|c| *c == b'\n').collect(),
            None => vec![word.as_bytes()],
        };
        for (i, piece) in pieces.iter().enumerate() {
            let space = if i == 0 { space } else { "" };
            let fits = if at_start {
                column + piece.len() <= WIDEST_WORD
            } else {
                column + space.len() + piece.len() <= WIDTH
            };
            if i > 0 || !fits {
                out.extend_from_slice(b"\n ");
                column = 0;
            } else {
                out.extend_from_slice(space.as_bytes());
                column += space.len();
            }
            out.extend_from_slice(piece);
            column += piece.len();
            at_start = false;
        }
        previous = encode;
        any |= encode;
    }
    any
}

/// Words with the white space before each; white space at the end is a word of no letters.
fn split_words(value: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = value;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let start = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let end = rest[start..].find([' ', '\t']).map_or(rest.len(), |n| start + n);
        let (space, word) = (&rest[..start], &rest[start..end]);
        rest = &rest[end..];
        Some((space, word))
    })
}

fn needs_encoding(word: &str) -> bool {
    word.contains("=?") || word.bytes().any(|c| !(b' '..127).contains(&c))
}

/// One word as encoded words, with `split` between them; `space` is what stood between it and
/// an encoded word before it, and would be lost if it were not encoded too.
fn encoded_words(out: &mut Vec<u8>, space: &str, word: &str, split: impl Fn(&mut Vec<u8>)) {
    let data = format!("{space}{word}");
    let charset = if data.is_ascii() { "us-ascii" } else { "utf-8" };
    let quoted = data.bytes().filter(|c| must_quote(*c) || *c == b' ').count();
    let base = 2 * (quoted + 1) > data.len() && !data.is_ascii();
    let room = ENCODED_WORD - "=??Q??=".len() - charset.len();
    let cost = |s: &str| {
        if base {
            s.len().div_ceil(3) * 4
        } else {
            s.bytes().map(|c| if must_quote(c) { 3 } else { 1 }).sum()
        }
    };
    let mut rest = data.as_str();
    while !rest.is_empty() {
        let mut end = 0;
        for (i, c) in rest.char_indices() {
            let next = i + c.len_utf8();
            if end > 0 && cost(&rest[..next]) > room {
                break;
            }
            end = next;
        }
        if rest.len() < data.len() {
            split(out);
        }
        out.extend_from_slice(format!("=?{charset}?{}?", if base { 'B' } else { 'Q' }).as_bytes());
        if base {
            base64(out, &rest.as_bytes()[..end]);
        } else {
            for c in rest.as_bytes()[..end].iter().copied() {
                match c {
                    b' ' => out.push(b'_'),
                    c if must_quote(c) => push_hex(out, c),
                    c => out.push(c),
                }
            }
        }
        out.extend_from_slice(b"?=");
        rest = &rest[end..];
    }
}

/// Octets that the Q encoding does not show as they are; a space becomes `_`.
fn must_quote(c: u8) -> bool {
    !(b' '..127).contains(&c) || matches!(c, b'=' | b'?' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(value: &str) -> String {
        let mut out = Vec::new();
        text_field(&mut out, "Subject", value);
        String::from_utf8(out).unwrap()
    }

    fn to(addresses: &[&str]) -> String {
        let mut out = Vec::new();
        address_field(&mut out, "To", addresses.iter().copied());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn subjects_fold_between_words() {
        let numbers: Vec<String> = (1..=60).map(|n| n.to_string()).collect();
        assert_eq!(
            subject(&numbers.join(" ")),
            "Subject: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n \
             24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49\n \
             50 51 52 53 54 55 56 57 58 59 60\n"
        );
        assert_eq!(subject(&"d".repeat(62)), format!("Subject: \n {}\n", "d".repeat(62)));
        assert_eq!(subject(&"d".repeat(60)), format!("Subject: {}\n", "d".repeat(60)));
        assert_eq!(subject("   spaces  in "), "Subject:    spaces  in \n");
        assert_eq!(
            subject(&format!("abc {} efg", "d".repeat(79))),
            format!(
                "Subject: abc\n =?us-ascii?Q?{}?=\n =?us-ascii?Q?{}?= efg\n",
                "d".repeat(60),
                "d".repeat(19)
            )
        );
    }

    #[test]
    fn words_outside_ascii_are_encoded() {
        assert_eq!(subject("café au lait"), "Subject: =?utf-8?B?Y2Fmw6k=?= au lait\n");
        assert_eq!(subject("abcdé"), "Subject: =?utf-8?Q?abcd=C3=A9?=\n");
        assert_eq!(subject("xxxxxxéé"), "Subject: =?utf-8?Q?xxxxxx=C3=A9=C3=A9?=\n");
        assert_eq!(
            subject("Größe über alles"),
            "Subject: =?utf-8?B?R3LDtsOfZQ==?= =?utf-8?B?IMO8YmVy?= alles\n"
        );
        assert_eq!(subject("abc =?x?"), "Subject: abc =?us-ascii?Q?=3D=3Fx=3F?=\n");
        assert_eq!(
            subject(
                "Wie geht es Ihnen heute, schöne Müllerin aus dem grünen Tal der bösen Überraschungen und Ärgernisse"
            ),
            "Subject: Wie geht es Ihnen heute, =?utf-8?Q?sch=C3=B6ne?=\n \
             =?utf-8?Q?_M=C3=BCllerin?= aus dem =?utf-8?Q?gr=C3=BCnen?= Tal der\n \
             =?utf-8?Q?b=C3=B6sen?= =?utf-8?Q?_=C3=9Cberraschungen?= und\n =?utf-8?Q?=C3=84rgernisse?=\n"
        );
        assert_eq!(
            subject("日本語のとても長い件名は何行にも折り返される必要があるのでこうなる"),
            "Subject: \n =?utf-8?B?5pel5pys6Kqe44Gu44Go44Gm44KC6ZW344GE5Lu25ZCN44Gv5L2V6KGM44Gr?=\n \
             =?utf-8?B?44KC5oqY44KK6L+U44GV44KM44KL5b+F6KaB44GM44GC44KL44Gu44Gn44GT?=\n =?utf-8?B?44GG44Gq44KL?=\n"
        );
    }

    #[test]
    fn addresses_fold_at_column_72() {
        let (a, b, c) = ("a".repeat(16), "b".repeat(16), "c".repeat(16));
        let four = |n| to(&[&a, &b, &c, &"d".repeat(n)]);
        assert_eq!(four(14), format!("To: {a}, {b}, {c}, {}\n", "d".repeat(14)));
        assert_eq!(four(15), format!("To: {a}, {b}, {c},\n {}\n", "d".repeat(15)));
        assert_eq!(to(&["Bjørn Å <b@x>"]), "To: =?utf-8?Q?Bj=C3=B8rn?= =?utf-8?B?IMOF?= <b@x>\n");
    }
}

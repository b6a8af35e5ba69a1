//! The sources of tables: what postmap(1) reads, `key whitespace value`, and aliases(5), `name: value`.

use crate::postfix::config::main_cf::{is_blank, logical_lines};

/// One entry of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key, folded if asked for.
    pub key: String,
    /// The value.
    pub value: String,
    /// Its first line, counted from 1.
    pub line: u32,
}

/// What parsing a source gives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parsed {
    /// The entries, each as often as it stands there.
    pub entries: Vec<Entry>,
    /// What is said about lines that are no entries.
    pub warnings: Vec<String>,
}

/// Who reads a map; their warnings differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// postmap(1).
    Postmap,
    /// A `texthash:` table.
    Texthash,
}

/// Parses the source of a map, the text of the file `path`.
pub fn parse_map(text: &str, path: &str, reader: Reader, fold: bool) -> Parsed {
    let mut parsed = Parsed::default();
    for logical in logical_lines(text) {
        let line = logical.line;
        let all = logical.text.trim_matches(is_blank);
        let mut say = |what: String| parsed.warnings.push(format!("{path}, line {line}: {what}"));
        let Some((key, value)) = split_key(all) else {
            say(format!("unbalanced '\"' in '{all}' -- ignoring this line"));
            continue;
        };
        let value = value.trim_start_matches(is_blank);
        if key.is_empty() || value.is_empty() {
            let ignored = if reader == Reader::Texthash { " -- ignoring this line" } else { "" };
            say(format!("expected format: key whitespace value{ignored}"));
            continue;
        }
        if key.ends_with(':') {
            say("record is in \"key: value\" format; is this an alias file?".into());
        }
        let key = if fold { key.to_lowercase() } else { key.to_string() };
        parsed.entries.push(Entry { key, value: value.to_string(), line });
    }
    parsed
}

/// The key of a line, which may hold blanks in quotes, and what follows it; `None` for an open quote.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if is_blank(c) && !quoted => return Some((&text[..i], &text[i..])),
            _ => {}
        }
    }
    (!quoted).then_some((text, ""))
}

/// Parses aliases(5), the text of the file `path`. Keys are folded if asked for; values are written
/// anew with one `, ` between their parts, as postalias(1) stores them.
pub fn parse_aliases(text: &str, path: &str, fold: bool) -> Parsed {
    let mut parsed = Parsed::default();
    for logical in logical_lines(text) {
        let line = logical.line;
        match alias(&logical.text) {
            Ok((key, value)) => {
                let key = if fold { key.to_lowercase() } else { key };
                parsed.entries.push(Entry { key, value, line });
            }
            Err(what) => parsed.warnings.push(format!("{path}, line {line}: {what}")),
        }
    }
    parsed
}

fn alias(text: &str) -> Result<(String, String), &'static str> {
    const NEED: &str = "need name:value pair";
    let (colon, _) = bare(text).find(|&(_, c)| c == ':').ok_or(NEED)?;
    let name = text[..colon].trim_matches(is_blank);
    if bare(name).any(|(_, c)| matches!(c, '@' | ',' | '<' | '>' | ';')) {
        return Err("name must be local");
    }
    let name = unquote(name);
    let value = parts(&text[colon + 1..]);
    if name.is_empty() || value.is_empty() { Err(NEED) } else { Ok((name, value)) }
}

/// The characters of a text that are neither quoted nor escaped nor in a comment.
fn bare(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quoted = false;
    let mut escaped = false;
    let mut comment = 0usize;
    text.char_indices().filter(move |&(_, c)| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' => escaped = true,
            '"' if comment == 0 => quoted = !quoted,
            '(' if !quoted => comment += 1,
            ')' if !quoted => comment = comment.saturating_sub(1),
            _ => return !quoted && comment == 0,
        }
        false
    })
}

fn unquote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '"' => {}
            c => out.push(c),
        }
    }
    out
}

/// A value with its parts trimmed and joined by `, `.
fn parts(text: &str) -> String {
    let text = text.trim_matches(is_blank);
    let commas = bare(text).filter(|&(_, c)| c == ',').map(|(i, _)| i);
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for end in commas.chain([text.len()]) {
        if start > 0 {
            out.push_str(", ");
        }
        one_blank(text[start..end].trim_matches(is_blank), &mut out);
        start = end + 1;
    }
    out
}

/// Appends a text with single blanks where it has more of them outside quotes.
fn one_blank(text: &str, out: &mut String) {
    let mut quoted = false;
    let mut escaped = false;
    let mut gap = false;
    for c in text.chars() {
        if is_blank(c) && !quoted && !escaped {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
        }
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_map_as_postmap_reads_it() {
        let text = "\"quoted key\"   value one\nkey: value\n\"unb alanced  x\nk2\ttab\tsep\n cont\n# comment\n\
                    k3\n\"k4\"\n\"a\\\"b\" v\n\"k5\"x y\nUPPER Val\n";
        let parsed = parse_map(text, "src", Reader::Postmap, true);
        let entries: Vec<String> = parsed.entries.iter().map(|e| format!("{}\t{}", e.key, e.value)).collect();
        assert_eq!(
            entries,
            [
                "\"quoted key\"\tvalue one",
                "key:\tvalue",
                "k2\ttab\tsep cont",
                "\"a\\\"b\"\tv",
                "\"k5\"x\ty",
                "upper\tVal"
            ]
        );
        assert_eq!(
            parsed.warnings,
            [
                "src, line 2: record is in \"key: value\" format; is this an alias file?",
                "src, line 3: unbalanced '\"' in '\"unb alanced  x' -- ignoring this line",
                "src, line 7: expected format: key whitespace value",
                "src, line 8: expected format: key whitespace value",
            ]
        );
    }

    #[test]
    fn aliases_as_postalias_reads_them() {
        let text = "postmaster: root\nMAILER-Daemon:\tpostmaster\n\"quoted name\": bob\nroot: alice, bob\n  , carol\n\
                    list: :include:/x/y, |\"/bin/cmd arg\", \"|/bin/x y\", /file\nnoval:\nnocolon foo\nbad@dom: x\n\
                    a b: c\n\"un: x\ntwo: (comment) x\n: foo\nx:y:z\nback\\ slash: q\na.b: x, y,, z\n";
        let parsed = parse_aliases(text, "al", true);
        let entries: Vec<String> = parsed.entries.iter().map(|e| format!("{}: {}", e.key, e.value)).collect();
        assert_eq!(
            entries,
            [
                "postmaster: root",
                "mailer-daemon: postmaster",
                "quoted name: bob",
                "root: alice, bob, carol",
                "list: :include:/x/y, |\"/bin/cmd arg\", \"|/bin/x y\", /file",
                "a b: c",
                "two: (comment) x",
                "x: y:z",
                "back slash: q",
                "a.b: x, y, , z",
            ]
        );
        assert_eq!(
            parsed.warnings,
            [
                "al, line 7: need name:value pair",
                "al, line 8: need name:value pair",
                "al, line 9: name must be local",
                "al, line 11: need name:value pair",
                "al, line 13: need name:value pair",
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a\"\\\\:,(@ \t\n#\u{e9}]{0,60}") {
            let _ = parse_map(&text, "f", Reader::Texthash, true);
            let _ = parse_aliases(&text, "f", true);
        }
        #[test]
        fn what_is_written_is_read_back(pairs in proptest::collection::vec(("[a-z@.]{1,12}", "[!-~]( ?[!-~]){0,12}"), 0..8)) {
            let text: String = pairs.iter().map(|(k, v)| format!("{k}\t{v}\n")).collect();
            let read: Vec<_> = parse_map(&text, "f", Reader::Postmap, true).entries.into_iter().map(|e| (e.key, e.value)).collect();
            prop_assert_eq!(read, pairs);
        }
    }
}

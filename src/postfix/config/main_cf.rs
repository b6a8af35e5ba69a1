//! The language of main.cf: `name = value` lines, continued by lines that begin with a blank;
//! lines that hold nothing, or nothing but a comment, stand for nothing wherever they are.

/// One setting as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The name left of `=`.
    pub name: String,
    /// The value, continuation lines joined, without blanks at its ends.
    pub value: String,
    /// Its first line, counted from 1.
    pub line: u32,
}

/// A logical line: one or more lines of a file joined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogicalLine {
    /// The text, newlines left out.
    pub text: String,
    /// Its first line, counted from 1.
    pub line: u32,
}

/// Joins the lines of a file the way all of Postfix's configuration files and most tables are read.
/// The first element of a result that begins with a blank has no line to continue.
pub fn logical_lines(text: &str) -> Vec<LogicalLine> {
    let mut lines: Vec<LogicalLine> = Vec::new();
    for (i, line) in text.split_terminator('\n').enumerate() {
        let number = u32::try_from(i + 1).unwrap_or(u32::MAX);
        // A zero byte ends what the C program sees of a line.
        let line = line.split('\0').next().unwrap_or("");
        let start = line.trim_start_matches(is_blank);
        match lines.last_mut() {
            _ if start.is_empty() || start.starts_with('#') => {}
            Some(last) if line.len() != start.len() => last.text.push_str(line),
            _ => lines.push(LogicalLine { text: line.to_string(), line: number }),
        }
    }
    lines
}

/// What parsing main.cf gives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parsed {
    /// The settings in the order of the file, each name as often as it stands there.
    pub entries: Vec<Entry>,
    /// What every program that reads the file warns of.
    pub warnings: Vec<String>,
}

/// Parses main.cf. The error is what the real program ends with.
pub fn parse(text: &str, path: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed::default();
    for logical in logical_lines(text) {
        if logical.text.starts_with(is_blank) {
            parsed.warnings.push(blank_start(&logical.text, path));
        }
        let (name, value) = split_setting(&logical.text)
            .map_err(|e| format!("{path}, line {}: {e}: \"{}\"", logical.line, logical.text))?;
        parsed.entries.push(Entry { name: name.to_string(), value: value.to_string(), line: logical.line });
    }
    Ok(parsed)
}

/// The warning for a logical line that begins with a blank.
pub fn blank_start(text: &str, path: &str) -> String {
    let short: String = text.chars().take(30).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{path}: logical line must not start with whitespace: \"{short}{more}\"")
}

/// Splits `name = value`; the error is the real program's text.
pub fn split_setting(text: &str) -> Result<(&str, &str), &'static str> {
    let text = text.trim_start_matches(is_blank);
    let end = text.find(|c| c == '=' || is_blank(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Err("missing attribute name");
    }
    match rest.trim_start_matches(is_blank).strip_prefix('=') {
        Some(value) => Ok((name, value.trim_matches(is_blank))),
        None => Err("missing '=' after attribute name"),
    }
}

/// The blanks of isspace(3).
pub fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(text, "main.cf").unwrap().entries.into_iter().map(|e| (e.name, e.value)).collect()
    }

    #[test]
    fn lines_are_joined_over_comments_and_empty_lines() {
        assert_eq!(
            values("a = 1\n\n  2\n# c\n 3\n#d\nb=\n"),
            [("a".into(), "1  2 3".into()), ("b".into(), "".into())]
        );
        assert_eq!(values("a\n = 1\n \t#foo\n bar\n"), [("a".into(), "1 bar".into())]);
        assert_eq!(values("foo = b\r\n"), [("foo".into(), "b".into())]);
    }

    #[test]
    fn lines_that_are_no_settings() {
        let error = |text| parse(text, "c/main.cf").unwrap_err();
        assert_eq!(error("foo\n"), "c/main.cf, line 1: missing '=' after attribute name: \"foo\"");
        assert_eq!(
            error("a=1\n\nfoo bar = x\n"),
            "c/main.cf, line 3: missing '=' after attribute name: \"foo bar = x\""
        );
        assert_eq!(error("= x"), "c/main.cf, line 1: missing attribute name: \"= x\"");
        let warned = parse(" foo = x\n", "c/main.cf").unwrap();
        assert_eq!(warned.warnings, ["c/main.cf: logical line must not start with whitespace: \" foo = x\""]);
        assert_eq!(warned.entries[0].value, "x");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,80}|[a= \t\n#\0]{0,80}") {
            let _ = parse(&text, "main.cf");
        }
        #[test]
        fn what_is_written_is_read_back(
            settings in proptest::collection::vec(("[a-z][a-z0-9_]{0,12}", "([!-~]( ?[!-~])*)?"), 0..8)
        ) {
            let text: String = settings.iter().map(|(n, v)| format!("{n} = {v}\n")).collect();
            prop_assert_eq!(values(&text), settings);
        }
    }
}

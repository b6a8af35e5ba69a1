//! Texts with quotes around them, so that the shell would read them back as they are.

/// `$'…'` where there are characters that only this shows.
fn visible(text: &str) -> Option<String> {
    if !text.chars().any(|c| c.is_control()) {
        return None;
    }
    let mut out = String::from("$'");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\x1b' => out.push_str("\\E"),
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            c if c.is_ascii_control() => out.push_str(&format!("\\{:03o}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('\'');
    Some(out)
}

/// In double quotes, as `declare -p` shows values.
pub fn double(text: &str) -> String {
    if let Some(shown) = visible(text) {
        return shown;
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A key of an associative array, as `declare -p` shows it.
pub fn key(text: &str) -> String {
    if text.is_empty() || special(text) { double(text) } else { text.to_owned() }
}

/// In single quotes.
pub fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Does the text hold a character that means something to the shell?
fn special(text: &str) -> bool {
    text.chars().enumerate().any(|(n, c)| match c {
        ' ' | '\t' | '\n' | '\'' | '"' | '\\' | '|' | '&' | ';' | '(' | ')' | '<' | '>' | '!' | '{' | '}'
        | '*' | '[' | '?' | ']' | '^' | '$' | '`' => true,
        '~' => n == 0,
        '#' => n == 0,
        _ => false,
    })
}

/// In single quotes where it needs them, as `set -x` and `set` show words.
pub fn word(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if !special(text) && !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    single(text)
}

/// As [`word`], with what cannot be seen in `$'…'`, as `set` shows values.
pub fn value(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    visible(text).unwrap_or_else(|| word(text))
}

/// With a backslash in front of what means something, as `printf %q` does.
pub fn backslashes(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    if let Some(shown) = visible(text) {
        return shown;
    }
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        let marked = matches!(
            c,
            ' ' | '\''
                | '"'
                | '\\'
                | '|'
                | '&'
                | ';'
                | '('
                | ')'
                | '<'
                | '>'
                | '!'
                | '{'
                | '}'
                | '*'
                | '['
                | '?'
                | ']'
                | '^'
                | '$'
                | '`'
                | ','
        ) || (n == 0 && matches!(c, '~' | '#'));
        if marked {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

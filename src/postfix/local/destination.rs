//! Where an alias, a list or a `.forward` sends mail (aliases(5)): addresses, `|command`,
//! `/file/name`, `:include:/file/name`, `\user`; separated by commas or line ends, quoted where
//! blanks or commas stand in them, `#` at the start of a line for comments.

use crate::proto::address;

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address, complete or not.
    Address(String),
    /// A user's mailbox, whatever aliases and `.forward` say.
    Plain(String),
    /// A command that reads the message.
    Command(String),
    /// A file, or with a slash at its end a Maildir.
    File(String),
    /// A file of destinations.
    Include(String),
}

/// Reads a list of destinations.
pub fn parse(text: &str) -> Vec<Destination> {
    let mut all = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        for item in items(line) {
            one(&item, &mut all);
        }
    }
    all
}

/// The parts between commas, with quotes and comments left in.
fn items(line: &str) -> Vec<String> {
    let (mut out, mut item) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut depth) = (false, false, 0usize);
    for c in line.chars() {
        if c == ',' && !quoted && depth == 0 && !escaped {
            out.push(std::mem::take(&mut item));
            continue;
        }
        match c {
            _ if escaped => {}
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        item.push(c);
    }
    out.push(item);
    out
}

fn one(item: &str, out: &mut Vec<Destination>) {
    let item = item.trim();
    if item.is_empty() {
        return;
    }
    // A command or file may be quoted as a whole, or from behind its first character on.
    let whole = unquoted(item);
    let bare = whole.as_deref().unwrap_or(item);
    if let Some(command) = bare.strip_prefix('|') {
        let inner = unquoted(command.trim_start());
        out.push(Destination::Command(inner.unwrap_or_else(|| command.trim().to_owned())));
    } else if bare.starts_with('/') && !bare.contains('@') {
        out.push(Destination::File(bare.to_owned()));
    } else if let Some(path) = bare.strip_prefix(":include:") {
        out.push(Destination::Include(path.trim().to_owned()));
    } else if let Some(user) = item.strip_prefix('\\') {
        out.push(Destination::Plain(user.to_owned()));
    } else {
        out.extend(address::parse_list(item).into_iter().map(Destination::Address));
    }
}

/// The content of a text that is one quoted string.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let (mut out, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::Destination as D;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_kinds() {
        let text = "alice, bob@example.com, \"|cat >/tmp/x, y\", /var/spool/a.mbox\n# a comment\n:include:/etc/list, \\dave\n|\"wc -l\"";
        assert_eq!(
            parse(text),
            [
                D::Address("alice".into()),
                D::Address("bob@example.com".into()),
                D::Command("cat >/tmp/x, y".into()),
                D::File("/var/spool/a.mbox".into()),
                D::Include("/etc/list".into()),
                D::Plain("dave".into()),
                D::Command("wc -l".into()),
            ]
        );
        assert_eq!(parse("\"alice\""), [D::Address("alice".into())]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_list(text in "\\PC{0,80}") {
            let _ = parse(&text);
        }
    }
}

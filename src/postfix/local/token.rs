//! Where an alias, a list or a `.forward` sends mail (aliases(5)): addresses, `|command`,
//! `/file/name`, `~/file/name`, `:include:/file/name`; separated by commas or blanks, quoted where
//! those belong to them. `\user` is the same as `user`:
//! loops are found by other means; of `\\user` one backslash is left, and means that user's mailbox.

use crate::proto::address;

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address, complete or not.
    Address(String),
    /// A command that reads the message.
    Command(String),
    /// A file, or with a slash at its end a Maildir.
    File(String),
    /// A file in somebody's home, with the tilde.
    Home(String),
    /// A file of destinations.
    Include(String),
}

impl Destination {
    fn of(text: String) -> Destination {
        match text.as_bytes().first() {
            Some(b'|') => Destination::Command(text[1..].to_owned()),
            Some(b'/') => Destination::File(text),
            Some(b'~') => Destination::Home(text),
            Some(b':') if has_include(&text) => Destination::Include(text[9..].to_owned()),
            _ => Destination::Address(text),
        }
    }
}

fn has_include(text: &str) -> bool {
    text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(":include:"))
}

/// Reads one line, or the whole value of an alias.
pub fn parse(text: &str) -> Vec<Destination> {
    items(text).iter().flat_map(|item| one(item)).collect()
}

/// Reads a file; lines that begin with `#` are comments. One list of destinations a line.
pub fn lines(text: &str) -> impl Iterator<Item = Vec<Destination>> {
    text.lines().filter(|line| !line.starts_with('#')).map(parse).filter(|line| !line.is_empty())
}

/// The parts between commas and semicolons, with quotes and comments left in.
fn items(text: &str) -> Vec<String> {
    let (mut out, mut item) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut depth) = (false, false, 0usize);
    for c in text.chars() {
        if c == ',' && !quoted && depth == 0 && !escaped {
            out.push(std::mem::take(&mut item));
            continue;
        }
        match c {
            _ if escaped => {}
            '"' if depth == 0 => quoted = !quoted,
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

/// The destinations of an item; there are several where blanks stand between words.
fn one(item: &str) -> Vec<Destination> {
    let item = item.trim();
    // Colons part groups from their members, but not here.
    if has_include(item) {
        return vec![Destination::Include(item[9..].trim().trim_matches('"').to_owned())];
    }
    // A bar that stands alone belongs to the quoted command behind it.
    if let Some(rest) = item.strip_prefix('|')
        && let Some((command, rest)) = quoted(rest.trim_start())
    {
        let mut all = vec![Destination::Command(command)];
        all.extend(one(rest));
        return all;
    }
    address::parse_list(item).into_iter().filter(|a| !a.is_empty()).map(Destination::of).collect()
}

/// The content of the quoted string that a text begins with, and what stands behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let (mut out, mut chars) = (String::new(), inner.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &inner[at + 1..])),
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    Some((out, ""))
}

#[cfg(test)]
mod tests {
    use super::Destination as D;
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> D {
        D::Address(text.into())
    }

    #[test]
    fn all_kinds() {
        let text = "alice, bob@example.com, \"|cat >/tmp/x, y\", /var/spool/a.mbox, :include:/etc/list, \\dave, |\"wc -l\", ~/box";
        assert_eq!(
            parse(text),
            [
                address("alice"),
                address("bob@example.com"),
                D::Command("cat >/tmp/x, y".into()),
                D::File("/var/spool/a.mbox".into()),
                D::Include("/etc/list".into()),
                address("dave"),
                D::Command("wc -l".into()),
                D::Home("~/box".into()),
            ]
        );
    }

    /// What the real agent did with these.
    #[test]
    fn words_quotes_and_comments() {
        let command = |text: &str| D::Command(text.into());
        for (text, want) in [
            ("|\"echo a b\" x", vec![command("echo a b"), address("x")]),
            ("|/bin/cat /dev/null", vec![command("/bin/cat"), D::File("/dev/null".into())]),
            ("| \"exit 3\"", vec![command("exit 3")]),
            ("|exit\\ 3", vec![command("exit 3")]),
            ("<|cat>", vec![command("cat")]),
            ("\"|\"", vec![command("")]),
            ("\"alice\" bob", vec![address("alice"), address("bob")]),
            ("\"|cat\" <alice>", vec![address("alice")]),
            ("Alice Smith <alice>", vec![address("alice")]),
            ("alice (a comment), carol", vec![address("alice"), address("carol")]),
            ("friends:alice,carol;", vec![address("alice"), address("carol")]),
            ("alice;bob", vec![address("alice"), address("bob")]),
            (":INCLUDE:/etc/list", vec![D::Include("/etc/list".into())]),
            (":include: /etc/list", vec![D::Include("/etc/list".into())]),
            ("\":include:/etc/list\"", vec![D::Include("/etc/list".into())]),
            ("\"unclosed", vec![address("unclosed")]),
            ("\"a b\"", vec![address("a b")]),
            ("(only comment)", vec![]),
            ("<>", vec![]),
            (",", vec![]),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }

    #[test]
    fn only_a_line_that_begins_with_it_is_a_comment() {
        let all: Vec<_> = lines("alice\n# no\n  # yes\n\nbob\n").collect();
        assert_eq!(all, [vec![address("alice")], vec![address("#"), address("yes")], vec![address("bob")]]);
    }

    proptest! {
        #[test]
        fn any_octets_are_a_list(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            let text = String::from_utf8_lossy(&octets);
            let _ = lines(&text).count();
            let _ = parse(&text);
        }

        #[test]
        fn odd_marks_in_any_order(text in "[|/~:\\\\\"<>(),; a@.]{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_quoted_command_is_read_as_it_was_written(text in "[^\\x00-\\x1f]{0,40}") {
            let quoted = format!("\"|{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(parse(&quoted), [D::Command(text)]);
        }
    }
}

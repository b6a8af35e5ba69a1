//! A message that brings its own header on standard input (`mail -t`).

use super::compose::Letter;
use super::names::Name;

/// What was wrong with a template, for the user.
#[derive(Debug, Default, PartialEq)]
pub struct Complaints(pub Vec<String>);

/// Takes the header off a message and puts its fields into the letter; what is no header stays in
/// the body.
pub fn read(letter: &mut Letter, text: &[u8]) -> Complaints {
    let mut complaints = Complaints::default();
    let mut rest = text;
    let mut skipped = Vec::new();
    let mut ended = false;
    let mut fields: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let (line, tail) = split_line(rest);
        rest = tail;
        if line.is_empty() {
            ended = true;
            break;
        }
        let shown = String::from_utf8_lossy(line).into_owned();
        if let (b' ' | b'\t', Some((_, value))) = (line[0], fields.last_mut()) {
            value.push(' ');
            value.push_str(shown.trim());
            continue;
        }
        match shown.split_once(':').filter(|(name, _)| is_field_name(name.trim_end())) {
            Some((name, value)) => fields.push((name.trim_end().to_owned(), value.trim().to_owned())),
            None => {
                complaints.0.push(format!("Not a header line, skipping: {}", super::names::quoted(&shown)));
                skipped.extend_from_slice(line);
                skipped.push(b'\n');
            }
        }
    }
    if !ended && fields.is_empty() {
        complaints.0.push("Restoring deleted header lines".to_owned());
    }
    for (name, value) in fields {
        put(letter, &name, value, &mut complaints);
    }
    skipped.extend_from_slice(rest);
    letter.body = skipped;
    complaints
}

fn put(letter: &mut Letter, name: &str, value: String, complaints: &mut Complaints) {
    let list = |into: &mut Vec<Name>, complaints: &mut Complaints| {
        let (good, bad) = Name::parse_list(&value);
        into.extend(good);
        complaints.0.extend(bad.iter().map(ToString::to_string));
    };
    match name.to_ascii_lowercase().as_str() {
        "to" => list(&mut letter.to, complaints),
        "cc" => list(&mut letter.cc, complaints),
        "bcc" => list(&mut letter.bcc, complaints),
        "from" => list(&mut letter.from, complaints),
        "sender" => list(&mut letter.sender, complaints),
        "reply-to" => list(&mut letter.reply_to, complaints),
        "subject" | "subj" => letter.subject = Some(value),
        "message-id" => letter.message_id = Some(value),
        "in-reply-to" => letter.in_reply_to = Some(value),
        "references" => letter.references = Some(value),
        // The date is always that of sending.
        "date" => {}
        _ => letter.custom.push((name.to_owned(), value)),
    }
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|c| c > b' ' && c < 127)
}

fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', text) {
        Some(n) => (&text[..n], &text[n + 1..]),
        None => (text, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_go_into_the_letter() {
        let mut letter = Letter::default();
        let text = b"From: me@x\nDate: foo\nTo: bob\n folded\nSubject: a\n b\nX-H: v\n\nbody\n";
        assert_eq!(read(&mut letter, text), Complaints::default());
        assert_eq!(letter.to.iter().map(|n| n.address.as_str()).collect::<Vec<_>>(), ["bob", "folded"]);
        assert_eq!(letter.subject.as_deref(), Some("a b"));
        assert_eq!(letter.custom, [("X-H".to_owned(), "v".to_owned())]);
        assert_eq!(letter.body, b"body\n");
    }

    #[test]
    fn what_is_no_header_is_kept() {
        let mut letter = Letter::default();
        let said = read(&mut letter, b"nothing\n");
        assert_eq!(said.0, ["Not a header line, skipping: nothing", "Restoring deleted header lines"]);
        assert_eq!(letter.body, b"nothing\n");
        let mut letter = Letter::default();
        let said = read(&mut letter, b"To: bob\nBad header\n\nbody");
        assert_eq!(said.0, ["Not a header line, skipping: 'Bad header'"]);
        assert_eq!(letter.body, b"Bad header\nbody");
    }
}

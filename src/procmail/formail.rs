//! formail(1): changes and takes out the header fields of a message on standard input, or of each
//! message of a mailbox.
//!
//! Exit status: 0, 64 for a usage error, or with `-s` that of the program; with `-D` alone 0 for a message
//! that came before, and 1 for a new one.
//!
//! # Simplifications
//! `-l` is not obeyed.

use super::idcache::IdCache;
use super::split::{self, Split};
use crate::world::process::{Process, STDIN};
use std::rc::Rc;

const USAGE: i32 = 64;
/// No message is longer.
const LONGEST_MESSAGE: usize = 1 << 28;

const USAGE_TEXT: &str = "\
Usage: formail [-vbczfrktqY] [-D nnn idcache] [-p prefix] [-l folder]
\t[-xXaAiIuU field] [-R ofield nfield]
   Or: formail [+nnn] [-nnn] [-bczfrktedqBY] [-D nnn idcache] [-p prefix]
\t[-n [nnn]] [-m nnn] [-l folder] [-xXaAiIuU field] [-R ofield nfield]
\t-s [prg [arg ...]]
";

/// What is asked of a field.
enum Wish {
    /// `-x`, and with the name `-X`.
    Extract { named: bool, name: String },
    /// `-a`: where there is none.
    AddMissing(String),
    /// `-A`
    Add(String),
    /// `-i`: the old ones become `Old-…`.
    Insert(String),
    /// `-I`: instead of the old ones.
    Replace(String),
    /// `-u`: the first one stays, `-U`: the last one.
    Unique { last: bool, name: String },
    /// `-R`
    Rename(String, String),
}

/// What is asked for.
#[derive(Default)]
pub struct Options {
    wishes: Vec<Wish>,
    keep_body_as_is: bool,
    no_from_line: bool,
    reply: bool,
    trust: bool,
    keep: bool,
    trim: bool,
    concatenate: bool,
    /// `-p`: what is put before a line that must not be taken for a `From ` line; `>` without it.
    prefix: Option<String>,
    /// `-s`
    split: Option<Split>,
    /// `-D`
    cache: Option<IdCache>,
}

/// A field with its name, and all its lines without the last end.
struct Field(String);

impl Field {
    fn name(&self) -> &str {
        self.0.split_once(':').map_or(&*self.0, |(name, _)| name)
    }

    fn value(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, value)| value)
    }

    /// Does its name begin so? With a colon the whole name counts.
    fn is(&self, name: &str) -> bool {
        match name.strip_suffix(':') {
            Some(whole) => self.name().eq_ignore_ascii_case(whole),
            None => self.name().get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)),
        }
    }
}

/// formail(1).
pub async fn main(p: Process) -> i32 {
    let Some(options) = parse(&p.args()) else {
        p.eprint(USAGE_TEXT).await;
        return USAGE;
    };
    let input = match p.fd(STDIN) {
        Ok(open) => open.read_to_end(LONGEST_MESSAGE).await.unwrap_or_default(),
        Err(_) => Default::default(),
    };
    let text = String::from_utf8_lossy(&input).into_owned();
    let date = p.now().strftime("%a %b %e %H:%M:%S %Y");
    if let Some(split) = &options.split {
        return split::split(&p, &options, split, &text, &date).await;
    }
    if options.cache.is_some() {
        return i32::from(!options.has_come_before(&p, &text));
    }
    let (out, status) = run(&options, &text, &date);
    p.print(out).await;
    status
}

impl Options {
    /// Is the message one that the cache knows, by its id, or with `-r` by its sender?
    pub fn has_come_before(&self, p: &Process, text: &str) -> bool {
        let Some(cache) = &self.cache else { return false };
        let (from_line, fields, _) = take_apart(text);
        let (fields, name) = match self.reply {
            true => (reply(from_line, &fields, self.trust), "To:"),
            false => (fields, "Message-ID:"),
        };
        let found = fields.iter().find(|f| f.is(name)).map(|f| f.value().trim());
        // A cache that cannot be written knows nothing.
        found.is_some_and(|name| cache.knows(p, name).unwrap_or(false))
    }
}

fn parse(args: &[Rc<str>]) -> Option<Options> {
    let mut options = Options::default();
    let mut split = Split::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if let Some(number) = arg.strip_prefix('+') {
            split.skip = number.parse().ok()?;
            continue;
        }
        let mut letters = arg.strip_prefix('-')?;
        if letters.starts_with(|c: char| c.is_ascii_digit()) {
            split.most = Some(letters.parse().ok()?);
            continue;
        }
        while let Some(c) = letters.chars().next() {
            letters = &letters[c.len_utf8()..];
            if "xXaAiIuUR".contains(c) {
                let value = if letters.is_empty() { args.next()?.to_string() } else { letters.to_owned() };
                options.wishes.push(match c {
                    'x' | 'X' => Wish::Extract { named: c == 'X', name: value },
                    'a' => Wish::AddMissing(value),
                    'A' => Wish::Add(value),
                    'i' => Wish::Insert(value),
                    'I' => Wish::Replace(value),
                    'u' | 'U' => Wish::Unique { last: c == 'U', name: value },
                    _ => Wish::Rename(value, args.next()?.to_string()),
                });
                break;
            }
            match c {
                'b' => options.keep_body_as_is = true,
                'f' => options.no_from_line = true,
                'r' => options.reply = true,
                't' => options.trust = true,
                'k' => options.keep = true,
                'z' => options.trim = true,
                'c' => options.concatenate = true,
                'p' => {
                    let rest = if letters.is_empty() { args.next()? } else { letters };
                    options.prefix = Some(rest.to_owned());
                    break;
                }
                'D' => {
                    let most = if letters.is_empty() { args.next()? } else { letters };
                    let path = args.next()?.to_string();
                    options.cache = Some(IdCache { path, most: most.parse().ok()? });
                    break;
                }
                'e' => split.anywhere = true,
                's' => {
                    let first = Some(letters).filter(|l| !l.is_empty()).map(str::to_owned);
                    split.program = first.into_iter().chain(args.map(|a| a.to_string())).collect();
                    options.split = Some(split);
                    return Some(options);
                }
                'q' | 'Y' | 'B' | 'd' => {}
                _ => return None,
            }
        }
    }
    // Numbers are for what splits.
    (split.skip == 0 && split.most.is_none()).then_some(options)
}

/// What becomes of a message.
pub fn run(options: &Options, text: &str, date: &str) -> (String, i32) {
    let (from_line, mut fields, body) = take_apart(text);
    if options.concatenate {
        fields.iter_mut().for_each(|f| f.0 = f.0.replace('\n', " "));
    }
    let mut top = from_line.map(str::to_owned);
    if options.reply {
        fields = reply(from_line, &fields, options.trust);
        top = None;
    } else if top.is_none() && !options.no_from_line {
        let sender = fields.iter().find(|f| f.is("From:")).map_or("foo@bar", |f| bare_address(f.value()));
        top = Some(format!("From {sender}  {date}"));
    }
    change(&mut fields, &options.wishes);
    let extracts: Vec<&Wish> = options.wishes.iter().filter(|w| matches!(w, Wish::Extract { .. })).collect();
    let body = quoted_body(body, options);
    if extracts.is_empty() {
        let with_body = !options.reply || options.keep;
        let mut out = String::new();
        top.iter().for_each(|line| out.push_str(&format!("{line}\n")));
        fields.iter().for_each(|f| out.push_str(&format!("{}\n", f.0)));
        out.push('\n');
        if with_body {
            out.push_str(&body);
        }
        return (out, 0);
    }
    let mut out = String::new();
    for field in &fields {
        let Some(Wish::Extract { named, .. }) =
            extracts.iter().find(|w| matches!(w, Wish::Extract { name, .. } if field.is(name)))
        else {
            continue;
        };
        let value = if *named { field.0.as_str() } else { field.value() };
        out.push_str(if options.trim && !named { value.trim() } else { value });
        out.push('\n');
    }
    if options.keep {
        out.push('\n');
        out.push_str(&body);
    }
    (out, 0)
}

/// The `From ` line, the fields, and what follows the empty line.
fn take_apart(text: &str) -> (Option<&str>, Vec<Field>, &str) {
    let mut rest = text.trim_start_matches('\n');
    let mut from_line = None;
    if rest.starts_with("From ") {
        let (line, tail) = rest.split_once('\n').unwrap_or((rest, ""));
        (from_line, rest) = (Some(line), tail);
    }
    let mut fields: Vec<Field> = Vec::new();
    while !rest.is_empty() {
        let (line, tail) = rest.split_once('\n').unwrap_or((rest, ""));
        match fields.last_mut() {
            _ if line.is_empty() => return (from_line, fields, tail),
            Some(field) if line.starts_with([' ', '\t']) => {
                field.0.push('\n');
                field.0.push_str(line);
            }
            _ if is_field(line) => fields.push(Field(line.to_owned())),
            // What is no field begins the body.
            _ => return (from_line, fields, rest),
        }
        rest = tail;
    }
    (from_line, fields, rest)
}

/// Is the line the first of a header field?
pub fn is_field(line: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|c| c > b' ' && c < 127))
}

/// Additions come in the order of their kinds: `-a`, `-A`, then `-i` and `-I`.
fn change(fields: &mut Vec<Field>, wishes: &[Wish]) {
    let name_of = |text: &str| text.split_once(':').map_or_else(|| text.to_owned(), |(n, _)| format!("{n}:"));
    let has_value = |text: &str| text.split_once(':').is_some_and(|(_, v)| !v.is_empty());
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for wish in wishes {
        match wish {
            Wish::Extract { .. } => {}
            Wish::AddMissing(text) if fields.iter().any(|f| f.is(&name_of(text))) => {}
            Wish::AddMissing(text) | Wish::Add(text) => first.push(Field(text.clone())),
            Wish::Insert(text) | Wish::Replace(text) => {
                let name = name_of(text);
                if matches!(wish, Wish::Replace(_)) {
                    fields.retain(|f| !f.is(&name));
                } else {
                    fields.iter_mut().filter(|f| f.is(&name)).for_each(|f| f.0.insert_str(0, "Old-"));
                }
                if has_value(text) {
                    last.push(Field(text.clone()));
                }
            }
            Wish::Unique { last, name } => {
                let places: Vec<usize> = (0..fields.len()).filter(|i| fields[*i].is(name)).collect();
                let stays = if *last { places.last() } else { places.first() }.copied();
                let mut i = 0;
                fields.retain(|_| {
                    i += 1;
                    !places.contains(&(i - 1)) || Some(i - 1) == stays
                });
            }
            Wish::Rename(old, new) => {
                for field in fields.iter_mut().filter(|f| f.is(old)) {
                    field.0 = format!("{}:{}", new.trim_end_matches(':'), field.value());
                }
            }
        }
    }
    fields.append(&mut first);
    fields.append(&mut last);
}

/// The header of an answer.
fn reply(from_line: Option<&str>, fields: &[Field], trust: bool) -> Vec<Field> {
    let find = |name: &str| fields.iter().find(|f| f.is(name)).map(|f| f.value().trim());
    let envelope = from_line.and_then(|l| l.split_whitespace().nth(1));
    let order = if trust { REPLY_TRUSTED } else { REPLY };
    let to =
        order.iter().find_map(|name| if name.is_empty() { envelope } else { find(name).map(bare_address) });
    let mut out = vec![Field(format!("To: {}", to.unwrap_or("foo@bar")))];
    if let Some(subject) = find("Subject:") {
        out.push(Field(format!("Subject: Re: {subject}")));
    }
    if let Some(id) = find("Message-ID:") {
        let before = find("References:").map(|r| format!("{r} ")).unwrap_or_default();
        out.push(Field(format!("References: {before}{id}")));
        out.push(Field(format!("In-Reply-To: {id}")));
    }
    out
}

/// Where an answer goes, the best first; an empty name is the `From ` line.
const REPLY: &[&str] = &["", "Return-Path:", "Sender:", "From:", "Reply-To:"];
/// The same with `-t`.
const REPLY_TRUSTED: &[&str] = &["Reply-To:", "From:", "Sender:", "Return-Path:", ""];

fn bare_address(value: &str) -> &str {
    let value = value.trim();
    match value.split_once('<').and_then(|(_, tail)| tail.split_once('>')) {
        Some((inside, _)) => inside.trim(),
        None => value.split_whitespace().next().unwrap_or("foo@bar"),
    }
}

fn quoted_body(body: &str, options: &Options) -> String {
    let mut out = String::with_capacity(body.len() + 2);
    let prefix = options.prefix.as_deref().unwrap_or(">");
    let mut after_empty = true;
    for line in body.split_inclusive('\n') {
        // Where messages are split, such a line after an empty one has been looked at, and is none.
        let known = options.split.is_some() && after_empty;
        if !options.keep_body_as_is && !known && line.starts_with("From ") {
            out.push_str(prefix);
        }
        if options.reply && options.keep && line != "\n" {
            out.push_str(prefix);
        }
        after_empty = line == "\n";
        out.push_str(line);
    }
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "From: Carl <carl@example.org>\nSubject: Re: Holiday\n plans\nX-Seen: no\nReply-To: other@x.org \
        (O T)\nMessage-ID: <h1@example.org>\nReferences: <a@b>\n\nSee you\nFrom here\n";

    fn formail(args: &[&str]) -> String {
        let args: Vec<Rc<str>> = args.iter().map(|a| Rc::from(*a)).collect();
        run(&parse(&args).unwrap(), MESSAGE, "Tue Nov 24 12:42:28 2026").0
    }

    #[test]
    fn fields_are_taken_out() {
        assert_eq!(formail(&["-x", "From:"]), " Carl <carl@example.org>\n");
        assert_eq!(formail(&["-zxSubject:"]), "Re: Holiday\n plans\n");
        assert_eq!(formail(&["-c", "-X", "sub"]), "Subject: Re: Holiday  plans\n");
    }

    #[test]
    fn fields_are_changed() {
        let out = formail(&["-f", "-I", "X-Seen: yes", "-A", "X-New: n", "-a", "From: nobody"]);
        assert!(
            out.ends_with("References: <a@b>\nX-New: n\nX-Seen: yes\n\nSee you\n>From here\n\n"),
            "{out}"
        );
        assert!(formail(&["-fi", "X-Seen: yes"]).contains("Old-X-Seen: no\n"));
        assert!(formail(&[]).starts_with("From carl@example.org  Tue Nov 24 12:42:28 2026\nFrom: Carl"));
    }

    #[test]
    fn an_answer() {
        let rest = "Subject: Re: Re: Holiday\n plans\nReferences: <a@b> <h1@example.org>\nIn-Reply-To: <h1@example.org>\n\n";
        assert_eq!(formail(&["-r"]), format!("To: carl@example.org\n{rest}"));
        assert_eq!(formail(&["-rt"]), format!("To: other@x.org\n{rest}"));
        assert_eq!(formail(&["-rk"]), format!("To: carl@example.org\n{rest}>See you\n>>From here\n\n"));
    }
}

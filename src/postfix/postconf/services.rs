//! master.cf in postconf: `-M` whole entries, `-F` single fields, `-P` the parameters after `-o`.
//!
//! # Simplifications
//! With `-e`, `-X` and `-#`, `-F` can set fields, and `-P` can set and remove parameters.

use super::Change;
use super::edit;
use super::show::{Look, Shown, blank_words, setting};
use crate::postfix::config::ConfigError;
use crate::postfix::config::main_cf::{is_blank, logical_lines, split_setting};
use crate::postfix::config::master_cf::{self, Entry};
use crate::world::process::Process;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Where the fields of an entry begin.
const COLUMNS: [usize; 8] = [0, 11, 17, 25, 33, 41, 49, 57];
const LINE_LIMIT: usize = 80;
const FIELDS: [&str; 8] =
    ["service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command"];

/// The lines for these services, or all, and the warnings for requests that match none.
///
/// # Errors
/// A request that makes no sense.
pub fn show(
    shown: &Shown,
    which: char,
    look: &Look,
    requests: &[String],
) -> Result<(String, Vec<String>), String> {
    let mut requests: Vec<(Vec<&str>, bool)> =
        requests.iter().map(|r| (r.split('/').collect(), false)).collect();
    let most = if which == 'M' { 2 } else { 3 };
    if requests.iter().any(|(parts, _)| parts.len() > most || parts.iter().any(|p| p.is_empty())) {
        let more = match which {
            'M' => "[/type]",
            'F' => "[/type[/field]]",
            _ => "[/type[/parameter]]",
        };
        return Err(format!("-{which} option requires service_name{more}"));
    }
    if which == 'F'
        && let Some((parts, _)) = requests.iter().find(|(parts, _)| parts.len() == 3 && parts[2] != "*")
    {
        field(parts[2])?;
    }
    let mut out = String::new();
    for entry in &shown.services {
        let mut print = |part: &str, lines: &mut dyn FnMut(&mut String)| {
            let name = [&*entry.name, entry.kind.name(), part];
            let mut wanted = requests.is_empty();
            for (request, seen) in &mut requests {
                if request
                    .iter()
                    .zip(name)
                    .all(|(want, is)| *want == "*" || part.is_empty() && is.is_empty() || *want == is)
                {
                    *seen = true;
                    wanted = true;
                }
            }
            if wanted {
                lines(&mut out);
            }
        };
        match which {
            'M' => print("", &mut |out| render(entry, look.fold, out)),
            'F' => {
                for (i, field) in FIELDS.iter().enumerate() {
                    let value = match i {
                        7 => command(entry),
                        i => entry.words[i].to_string(),
                    };
                    let name = format!("{}/{}/{field}", entry.name, entry.kind.name());
                    print(field, &mut |out| setting(&name, &value, look, out));
                }
            }
            _ => {
                let own = entry.overrides();
                let local = shown.config.with(&own);
                let sorted: BTreeMap<Rc<str>, Rc<str>> = own.into_iter().skip(2).collect();
                for (parameter, value) in &sorted {
                    let name = format!("{}/{}/{parameter}", entry.name, entry.kind.name());
                    let filled = match look.expand {
                        true => local.expand(value).map_err(|e| e.fatal)?.into(),
                        false => value.clone(),
                    };
                    print(parameter, &mut |out| setting(&name, &filled, look, out));
                }
            }
        }
    }
    let unmatched = requests.iter().filter(|(_, seen)| !seen);
    let unmatched =
        unmatched.map(|(parts, _)| format!("unmatched request: \"{}\"", parts.join("/"))).collect();
    Ok((out, unmatched))
}

/// Changes the file `path`.
///
/// # Errors
/// An argument that makes no sense, a file that cannot be read or written.
pub fn change(
    p: &Process,
    path: &str,
    which: char,
    change: Change,
    requests: &[String],
) -> Result<Vec<String>, ConfigError> {
    let mut text = edit::read(p, path)?;
    let mut warnings = Vec::new();
    for request in requests {
        text = changed(&text, path, which, change, request, &mut warnings).map_err(ConfigError::new)?;
    }
    edit::write(p, path, text)?;
    Ok(warnings)
}

fn changed(
    text: &str,
    path: &str,
    which: char,
    change: Change,
    request: &str,
    warnings: &mut Vec<String>,
) -> Result<String, String> {
    let (pattern, value) = match change {
        Change::Set => split_setting(request).map_err(|e| format!("{e}: \"{request}\""))?,
        _ => (request.trim_matches(is_blank), ""),
    };
    let parts: Vec<&str> = pattern.split('/').collect();
    let (service, kind, part) = match (which, parts[..].len()) {
        ('M', 2) => (parts[0], parts[1], ""),
        ('F' | 'P', 3) => (parts[0], parts[1], parts[2]),
        ('M', _) => return Err("-Me, -MX or -M# requires service_name/type".into()),
        ('F', _) => return Err("-Fe or -FX requires service_name/type/field_name".into()),
        (_, _) => return Err("-Pe requires service_name/type/parameter".into()),
    };
    if which == 'F' {
        field(part)?;
    } else if which == 'P' && value.contains(is_blank) {
        return Err("-Pe does not accept whitespace in parameter value".into());
    }
    let matches = |entry: &Entry| {
        (service == "*" || *service == *entry.name) && (kind == "*" || kind == entry.kind.name())
    };
    let new = match (which, change) {
        ('M', Change::Set) if value.split(is_blank).filter(|w| !w.is_empty()).count() < FIELDS.len() => {
            return Err(format!("bad field count: \"{request}\""));
        }
        ('M', Change::Set) => Some(parse_one(value, path)?),
        _ => None,
    };
    let mut out = String::with_capacity(text.len() + 80);
    let mut found = false;
    for (entry, lines) in blocks(text, path)? {
        let Some(mut entry) = entry.filter(|e| matches(e)) else {
            out.push_str(lines);
            continue;
        };
        if which == 'M' {
            let first = !std::mem::replace(&mut found, true);
            match (change, &new) {
                (Change::Comment, _) => comment(lines, &mut out),
                (Change::Set, Some(new)) if first => {
                    render(new, true, &mut out);
                    comments_of(lines, &mut out);
                }
                _ => comments_of(lines, &mut out),
            }
            continue;
        }
        match which {
            'F' => set_field(&mut entry, part, value, path)?,
            _ => set_parameter(&mut entry, part, (change == Change::Set).then_some(value))?,
        }
        found = true;
        render(&entry, true, &mut out);
        comments_of(lines, &mut out);
    }
    if which != 'M' && !found {
        warnings.push(format!("unmatched service_name/type: \"{request}\""));
    }
    if let Some(new) = new.filter(|_| !found) {
        render(&new, true, &mut out);
    }
    Ok(out)
}

fn parse_one(text: &str, path: &str) -> Result<Entry, String> {
    let entry = master_cf::parse(text, path).map_err(|e| e.postconf)?.into_iter().next();
    entry.ok_or_else(|| format!("bad field count in \"{text}\""))
}

/// The text in pieces: entries with their lines, and what stands before the first.
fn blocks<'t>(text: &'t str, path: &str) -> Result<Vec<(Option<Entry>, &'t str)>, String> {
    let entries = master_cf::parse(text, path).map_err(|e| e.postconf)?;
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
    let mut blocks = Vec::new();
    let mut from = 0;
    for (entry, line) in entries.into_iter().zip(logical_lines(text)) {
        let start = starts[line.line as usize - 1];
        if start > from {
            blocks.push((None, &text[from..start]));
        }
        // It ends behind its last continuation line; comments behind that are nobody's.
        let mut end = start;
        for (i, piece) in text[start..].split_inclusive('\n').enumerate() {
            let body = piece.trim_start_matches(is_blank);
            let plain = !body.is_empty() && !body.starts_with('#');
            if i > 0 && plain && body.len() == piece.len() {
                break;
            }
            end += piece.len();
        }
        let mut block = &text[start..end];
        while let Some(last) = block.trim_end_matches('\n').rfind('\n').map(|i| &block[i + 1..]) {
            let body = last.trim_start_matches(is_blank);
            if !body.is_empty() && !body.starts_with('#') {
                break;
            }
            block = &block[..block.len() - last.len()];
        }
        from = start + block.len();
        blocks.push((Some(entry), block));
    }
    if from < text.len() {
        blocks.push((None, &text[from..]));
    }
    Ok(blocks)
}

fn comment(lines: &str, out: &mut String) {
    for line in lines.split_inclusive('\n') {
        let body = line.trim_start_matches(is_blank);
        if !body.is_empty() && !body.starts_with('#') {
            out.push('#');
        }
        out.push_str(line);
    }
}

fn comments_of(lines: &str, out: &mut String) {
    let kept = lines.split_inclusive('\n').filter(|line| {
        let body = line.trim_start_matches(is_blank);
        body.is_empty() || body.starts_with('#')
    });
    out.extend(kept);
}

/// Which field of an entry has this name.
fn field(name: &str) -> Result<usize, String> {
    FIELDS
        .iter()
        .position(|f| *f == name)
        .ok_or_else(|| format!("invalid service attribute name: \"{name}\""))
}

fn set_field(entry: &mut Entry, name: &str, value: &str, path: &str) -> Result<(), String> {
    let at = field(name)?;
    let mut words: Vec<Rc<str>> = entry.words.clone();
    if at == 7 {
        words.truncate(7);
    }
    if at < 7 {
        words[at] = value.into();
    } else {
        words.push(value.into());
    }
    *entry = parse_one(&words.join(" "), path).map_err(|e| match e.split_once(" in \"") {
        Some((what, _)) => format!("{what} in \"{value}\""),
        None => e,
    })?;
    Ok(())
}

fn set_parameter(entry: &mut Entry, name: &str, value: Option<&str>) -> Result<(), String> {
    let mut words: Vec<Rc<str>> = entry.words[..8].to_vec();
    let mut set = false;
    let mut args = entry.words[8..].iter().zip(&entry.args).peekable();
    while let Some((word, arg)) = args.next() {
        let option = args.peek().filter(|_| &**arg == "-o").map(|(_, text)| Rc::clone(text));
        if option.is_some_and(|text| split_setting(&text).is_ok_and(|(n, _)| n == name)) {
            args.next();
            if let Some(value) = value.filter(|_| !std::mem::replace(&mut set, true)) {
                words.extend(["-o".into(), format!("{name}={value}").into()]);
            }
            continue;
        }
        words.push(word.clone());
    }
    if let Some(value) = value.filter(|_| !set) {
        // Options stand before the other arguments.
        let at = words.iter().skip(8).position(|w| !w.starts_with('-')).map_or(words.len(), |i| i + 8);
        let at = if words.get(at.wrapping_sub(1)).is_some_and(|w| &**w == "-o") { words.len() } else { at };
        words.splice(at..at, ["-o".into(), format!("{name}={value}").into()]);
    }
    *entry = parse_one(&words.join(" "), "master.cf")?;
    Ok(())
}

/// The command with its arguments as postconf writes them: `-o { a = b }` without needless blanks.
fn command(entry: &Entry) -> String {
    let mut words: Vec<String> = vec![entry.command.to_string()];
    words.extend(arguments(entry));
    words.join(" ")
}

fn arguments(entry: &Entry) -> Vec<String> {
    let mut after_o = false;
    let pairs = entry.words[8..].iter().zip(&entry.args);
    pairs
        .map(|(word, arg)| {
            let option = std::mem::replace(&mut after_o, &**arg == "-o");
            match split_setting(arg) {
                Ok((name, value)) if option && word.starts_with('{') => match value.contains(is_blank) {
                    true => format!("{{{name}={value}}}"),
                    false => format!("{name}={value}"),
                },
                _ => word.to_string(),
            }
        })
        .collect()
}

/// Appends an entry in columns; with `fold`, `-o` options get lines of their own where they begin
/// the arguments, and long lines are folded.
fn render(entry: &Entry, fold: bool, out: &mut String) {
    let start = out.len();
    for (word, column) in entry.words.iter().zip(COLUMNS) {
        if column > 0 {
            let width = out[start..].chars().count();
            let gap = column.saturating_sub(width).max(1);
            out.extend(std::iter::repeat_n(' ', gap));
        }
        out.push_str(word);
    }
    let mut column = out[start..].chars().count();
    let args = arguments(entry);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut options = true;
    let mut i = 0;
    while i < args.len() {
        let pair = options && args[i] == "-o" && i + 1 < args.len();
        if fold && pair {
            out.push_str(&format!("\n    -o {}", args[i + 1]));
            column = 7 + args[i + 1].len();
            i += 2;
            continue;
        }
        let mut wrap = false;
        if options && (!args[i].starts_with('-') || args[i] == "--") {
            options = false;
            // What follows options stands on a line of its own.
            wrap = i > 0;
        }
        for word in blank_words(args[i]) {
            if fold && (std::mem::take(&mut wrap) || column + 1 + word.len() >= LINE_LIMIT) {
                out.push_str("\n    ");
                column = 4;
            } else {
                out.push(' ');
                column += 1;
            }
            out.push_str(&word);
            column += word.len();
        }
        i += 1;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "scache     unix  - - n - 1 scache\n# comment\nfilter unix - n n - - pipe\n  flags=R user=nobody argv=/bin/x ${sender}\n\
                        submission inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n  -o { smtpd_relay_restrictions = a b }\n";

    fn shown(entry: &str, fold: bool) -> String {
        let mut out = String::new();
        render(&parse_one(entry, "m").unwrap(), fold, &mut out);
        out
    }

    #[test]
    fn entries_stand_in_columns() {
        assert_eq!(
            shown("smtp inet n - n - - smtpd", false),
            "smtp       inet  n       -       n       -       -       smtpd\n"
        );
        assert_eq!(
            shown("u unix-dgram n - n - - x", false),
            "u          unix-dgram n  -       n       -       -       x\n"
        );
        assert_eq!(
            shown("filter unix - n n - - pipe flags=R user=nobody argv=/bin/x ${sender}", true),
            "filter     unix  -       n       n       -       -       pipe flags=R\n    user=nobody argv=/bin/x ${sender}\n"
        );
        assert_eq!(
            shown("a inet n - n - - smtpd -o x=1 -o { y = a b }", true),
            "a          inet  n       -       n       -       -       smtpd\n    -o x=1\n    -o {y=a b}\n"
        );
    }

    #[test]
    fn entries_are_changed_where_they_stand() {
        let lost =
            changed(TEXT, "m", 'M', Change::Set, "lost/unix=lost unix - n n - - pipe c", &mut Vec::new())
                .unwrap();
        assert_eq!(lost, format!("{TEXT}lost       unix  -       n       n       -       -       pipe c\n"));
        assert_eq!(changed(&lost, "m", 'M', Change::Remove, "lost/unix", &mut Vec::new()).unwrap(), TEXT);
        let off = changed(TEXT, "m", 'M', Change::Comment, "submission/inet", &mut Vec::new()).unwrap();
        assert!(off.ends_with("${sender}\n#submission inet n - n - - smtpd\n#  -o smtpd_tls_security_level=encrypt\n#  -o { smtpd_relay_restrictions = a b }\n"));
        let field = changed(TEXT, "m", 'F', Change::Set, "filter/unix/chroot=y", &mut Vec::new()).unwrap();
        assert!(field.contains("filter     unix  -       n       y       -       -       pipe flags=R\n    user=nobody argv=/bin/x ${sender}\n"));
        assert_eq!(
            changed(TEXT, "m", 'F', Change::Set, "filter/unix/type=zz", &mut Vec::new()).unwrap_err(),
            "invalid type field \"zz\" in \"zz\""
        );
        assert_eq!(
            changed(TEXT, "m", 'P', Change::Set, "filter/unix/foo = a b", &mut Vec::new()).unwrap_err(),
            "-Pe does not accept whitespace in parameter value"
        );
        let set = changed(TEXT, "m", 'P', Change::Set, "submission/inet/x = 1", &mut Vec::new()).unwrap();
        assert!(set.contains("    -o {smtpd_relay_restrictions=a b}\n    -o x=1\n"), "{set}");
    }
}

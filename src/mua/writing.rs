//! Writing a letter at a terminal: the subject is asked for, the head is shown, and lines are taken
//! until the end of input, or a dot alone where `dot` is set.
//!
//! # Simplifications
//! Ctrl-C ends the program and keeps nothing. Of the tilde escapes those work that change the head
//! (`~s`, `~t`, `~c`, `~b`), end the letter (`~.`, `~q`, `~x`) or show it (`~p`).

use super::compose::Letter;
use super::names::Name;
use super::settings::Settings;
use crate::world::process::{Process, STDIN};

/// Nobody types more in a line.
const LONGEST_LINE: usize = 1 << 20;

/// Is there a person at the keyboard?
pub fn at_terminal(p: &Process) -> bool {
    p.terminal(STDIN).is_some()
}

/// A line without its end, asked for by a prompt; `None` at the end of the input.
pub async fn ask(p: &Process, prompt: &str) -> Option<String> {
    p.print(prompt.to_owned()).await;
    let line = p.read_stdin(LONGEST_LINE).await;
    let text = String::from_utf8_lossy(&line);
    (!line.is_empty()).then(|| text.trim_end_matches('\n').to_owned())
}

/// Has the letter written; its body may have a beginning. Tells whether it is to be sent.
pub async fn write(p: &Process, settings: &Settings, letter: &mut Letter) -> bool {
    let asked = letter.subject.is_none();
    if asked {
        letter.subject = ask(p, "Subject: ").await.filter(|s| !s.is_empty());
    }
    p.print(format!("{}\n", head(letter, !asked))).await;
    if !letter.body.is_empty() {
        p.print(letter.body.clone()).await;
    }
    if !take_lines(p, settings, letter).await {
        return false;
    }
    if !settings.on("asksend") {
        return true;
    }
    let question = format!(
        "-------\n(Preliminary) Envelope contains:\n{}Send this message [yes/no, empty: recompose]? ",
        head(letter, true)
    );
    loop {
        match ask(p, &question).await.as_deref() {
            Some("") => {
                if !take_lines(p, settings, letter).await {
                    return false;
                }
            }
            Some(answer) => return matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes" | "1"),
            None => return false,
        }
    }
}

/// Takes lines until the letter ends; false where it is to be thrown away.
async fn take_lines(p: &Process, settings: &Settings, letter: &mut Letter) -> bool {
    while let Some(line) = ask(p, "").await {
        let Some(escape) = line.strip_prefix('~') else {
            if line == "." && settings.on("dot") {
                break;
            }
            letter.body.extend_from_slice(format!("{line}\n").as_bytes());
            continue;
        };
        let rest = escape.get(1..).unwrap_or_default().trim();
        match escape.chars().next() {
            Some('~') => letter.body.extend_from_slice(format!("{escape}\n").as_bytes()),
            Some('s') => letter.subject = Some(rest.to_owned()),
            Some('t') => letter.to.extend(Name::parse_list(rest).0),
            Some('c') => letter.cc.extend(Name::parse_list(rest).0),
            Some('b') => letter.bcc.extend(Name::parse_list(rest).0),
            Some('p') => {
                let text = String::from_utf8_lossy(&letter.body).into_owned();
                p.print(format!("-------\nMessage contains:\n{}\n{text}", head(letter, true))).await;
            }
            Some('.') => break,
            Some('q' | 'x') => return false,
            other => {
                let said = other.map_or_else(String::new, String::from);
                super::send::complain(p, &format!("Unknown command escape: `~{said}'")).await;
            }
        }
    }
    true
}

/// The head as it is shown, a line a field.
fn head(letter: &Letter, with_subject: bool) -> String {
    let list = |names: &[Name]| names.iter().map(|n| n.full.as_str()).collect::<Vec<_>>().join(", ");
    let mut out = String::new();
    for (field, names) in [("To", &letter.to), ("Cc", &letter.cc), ("Bcc", &letter.bcc)] {
        if !names.is_empty() {
            out.push_str(&format!("{field}: {}\n", list(names)));
        }
    }
    if let Some(subject) = letter.subject.as_ref().filter(|_| with_subject) {
        out.push_str(&format!("Subject: {subject}\n"));
    }
    out
}

//! Handing a letter to the mail system: sendmail(1) reads it from its standard input. What could
//! not be sent is kept in `~/dead.letter`.

use super::compose::{Letter, NoCharset};
use super::settings::{Settings, expand_home, login_name};
use crate::world::errno::Sys;
use crate::world::exec::Start;
use crate::world::fs::OpenFlags;
use crate::world::process::{Process, STDIN};
use std::rc::Rc;

/// What s-nail exits with when a letter was not sent, or not to all.
pub const SEND_ERROR: i32 = 4;
/// A recipient was refused before.
pub const BAD_RECIPIENTS: &str = "No recipients specified";

/// Prints a message as the program does.
pub async fn complain(p: &Process, text: &str) {
    p.eprint(format!("s-nail: {text}\n")).await;
}

/// Sends a letter; `refused` says that some recipients were already found bad. Gives the exit status.
pub async fn send(p: &Process, settings: &Settings, letter: &mut Letter, refused: bool) -> i32 {
    resolve_aliases(p, settings, letter);
    letter.unique();
    if letter.recipients().next().is_none() {
        complain(p, BAD_RECIPIENTS).await;
        return not_sent(p, settings, &letter.body).await;
    }
    if letter.body.is_empty()
        && letter.subject.as_deref().unwrap_or_default().is_empty()
        && letter.attachments.is_empty()
    {
        complain(p, "No message, no subject; hope that's ok").await;
    }
    let message = match letter.to_bytes(settings, charset(p, settings), p.host(), p.now()) {
        Ok(message) => message,
        Err(NoCharset) => {
            complain(
                p,
                "Cannot find a usable character set to encode message: No such entry, file or directory",
            )
            .await;
            return not_sent(p, settings, &letter.body).await;
        }
    };
    if refused {
        keep_dead_letter(p, settings, &message).await;
    }
    if let Some(record) = settings.get("record").filter(|r| !r.is_empty()) {
        let _ = append_mbox(p, &expand_home(p, record), &message).await;
    }
    if !hand_over(p, settings, letter, &message).await {
        return not_sent(p, settings, &message).await;
    }
    if refused { SEND_ERROR } else { 0 }
}

/// The character set of the user's locale.
fn charset(p: &Process, settings: &Settings) -> &'static str {
    let chosen = settings.get("ttycharset").map(str::to_owned);
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|v| p.var(v).filter(|v| !v.is_empty()));
    let name = chosen.or_else(|| locale.map(|l| l.to_string())).unwrap_or_default().to_ascii_lowercase();
    if name.contains("utf-8") || name.contains("utf8") { "utf-8" } else { "us-ascii" }
}

/// Starts sendmail(1) with the letter; false when it could not be started or failed.
async fn hand_over(p: &Process, settings: &Settings, letter: &Letter, message: &[u8]) -> bool {
    let mta = settings.get("mta").filter(|m| !m.is_empty()).unwrap_or("/usr/sbin/sendmail");
    let mta = mta.strip_prefix("file://").unwrap_or(mta);
    let (reader, writer) = p.pipe();
    let mut fds = p.fds();
    fds.insert(STDIN, reader);
    let start = Start { fds: Some(fds), ..Start::new(arguments(settings, letter)) };
    let Ok(child) = p.spawn(mta, start) else {
        complain(p, &format!("Cannot start {mta}: executable not found (adjust *mta* variable)")).await;
        return false;
    };
    // A mail system that does not read everything has its own say by its exit status.
    let _ = writer.write(message.to_vec()).await;
    writer.end();
    child.wait().await == 0
}

fn arguments(settings: &Settings, letter: &Letter) -> Vec<Rc<str>> {
    let mut argv: Vec<Rc<str>> =
        vec![settings.get("mta-argv0").filter(|a| !a.is_empty()).unwrap_or("sendmail").into(), "-i".into()];
    if settings.on("verbose") {
        argv.push("-v".into());
    }
    if settings.on("r-option")
        && let Some(from) = letter.from.first()
    {
        if let Some(person) = &from.person {
            argv.extend(["-F".into(), person.as_str().into()]);
        }
        argv.extend(["-f".into(), from.address.as_str().into()]);
    }
    argv.extend(settings.get("mta-arguments").unwrap_or_default().split_whitespace().map(Rc::from));
    argv.push("--".into());
    argv.extend(letter.recipients().map(|n| n.address.as_str().into()));
    argv
}

/// Puts in place of each alias what it stands for, aliases of aliases too.
fn resolve_aliases(p: &Process, settings: &Settings, letter: &mut Letter) {
    let mut aliases = settings.aliases.clone();
    if let Some(path) = settings.get("mta-aliases").filter(|f| !f.is_empty())
        && let Ok(text) = p.read_text(&expand_home(p, path))
    {
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            if let Some((name, members)) = line.split_once(':') {
                let members = super::names::split_list(members).iter().map(|m| (*m).to_owned()).collect();
                aliases.entry(name.trim().to_owned()).or_insert(members);
            }
        }
    }
    if aliases.is_empty() {
        return;
    }
    for list in [&mut letter.to, &mut letter.cc, &mut letter.bcc] {
        let mut out = Vec::new();
        for name in std::mem::take(list) {
            expand(&aliases, name, &mut Vec::new(), &mut out);
        }
        *list = out;
    }
}

fn expand(
    aliases: &std::collections::BTreeMap<String, Vec<String>>,
    name: super::names::Name,
    open: &mut Vec<String>,
    out: &mut Vec<super::names::Name>,
) {
    match aliases.get(&name.address).filter(|_| !open.contains(&name.address) && name.person.is_none()) {
        Some(members) => {
            open.push(name.address.clone());
            for member in members.iter().filter_map(|m| super::names::Name::parse(m).ok()) {
                expand(aliases, member, open, out);
            }
            open.pop();
        }
        None => out.push(name),
    }
}

async fn not_sent(p: &Process, settings: &Settings, content: &[u8]) -> i32 {
    keep_dead_letter(p, settings, content).await;
    complain(p, "... message not sent").await;
    SEND_ERROR
}

/// Replaces `~/dead.letter` by what was not sent, and says so.
async fn keep_dead_letter(p: &Process, settings: &Settings, content: &[u8]) {
    if settings.on("nosave") || settings.get("save") == Some("no") {
        return;
    }
    let path = settings.get("DEAD").map_or_else(|| expand_home(p, "~/dead.letter"), |d| expand_home(p, d));
    let entry = mbox_entry(p, content);
    let lines = memchr::memchr_iter(b'\n', &entry).count();
    let octets = entry.len();
    if p.write_file(&path, entry, 0o600).is_ok() {
        p.print(format!("{path} {lines}/{octets}\n")).await;
    }
}

fn mbox_entry(p: &Process, content: &[u8]) -> Vec<u8> {
    let mut entry =
        format!("From {} {}\n", login_name(p), p.now().strftime("%a %b %e %H:%M:%S %Y")).into_bytes();
    entry.extend_from_slice(content);
    if !content.ends_with(b"\n") {
        entry.push(b'\n');
    }
    entry.push(b'\n');
    entry
}

/// Adds a message of one's own to an mbox.
///
/// # Errors
/// Those of open(2) and write(2).
pub async fn append_mbox(p: &Process, path: &str, message: &[u8]) -> Sys<()> {
    let file = p.open(path, OpenFlags::APPEND, 0o600)?;
    file.write(mbox_entry(p, message)).await
}

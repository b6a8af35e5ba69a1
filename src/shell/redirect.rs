//! Redirections: `<`, `>`, `>>`, `<>`, `>|`, `n>&m`, here-documents, here-strings, `<(…)`.

use super::run;
use super::state::Shell;
use super::word;
use crate::world::errno::Errno;
use crate::world::fs::OpenFlags;
use crate::world::open::Open;
use crate::world::process::{STDERR, STDIN, STDOUT};
use brush_parser::ast::{
    IoFileRedirectKind as Kind, IoFileRedirectTarget as Target, IoRedirect, ProcessSubstitutionKind,
    SubshellCommand, Word,
};
use std::rc::Rc;

/// Descriptors from here on stand for the names in `{name}>file`; see [`named`].
const NAMED: i32 = 1_000_000;
/// The first descriptor that `{name}>file` gets.
const FREE: i32 = 10;
/// The first descriptor that `<(…)` gets; further ones lie below.
const SUBSTITUTED: i32 = 63;

/// Carries redirections out on the shell's own descriptors; the caller puts them back.
///
/// # Errors
/// Why one cannot be, in the shell's words.
pub async fn apply_all(shell: &mut Shell, redirects: &[&IoRedirect]) -> Result<(), String> {
    for r in redirects {
        apply(shell, r).await?;
    }
    Ok(())
}

async fn apply(shell: &mut Shell, redirect: &IoRedirect) -> Result<(), String> {
    let text = |f: word::Failure| f.text;
    match redirect {
        IoRedirect::File(fd, kind, target) => {
            let input = matches!(kind, Kind::Read | Kind::ReadAndWrite | Kind::DuplicateInput);
            let fd = fd.unwrap_or(if input { STDIN } else { STDOUT });
            file(shell, fd, kind, target).await
        }
        IoRedirect::HereDocument(fd, document) => {
            let content = if document.requires_expansion {
                word::document(shell, &document.doc.value).await.map_err(text)?
            } else {
                document.doc.value.clone()
            };
            give(shell, fd.unwrap_or(STDIN), content)
        }
        IoRedirect::HereString(fd, w) => {
            let content = word::text(shell, &w.value).await.map_err(text)?;
            give(shell, fd.unwrap_or(STDIN), content + "\n")
        }
        IoRedirect::OutputAndError(w, append) => {
            let path = one_name(shell, w).await?;
            let open = open(shell, &path, if *append { OpenFlags::APPEND } else { OpenFlags::CREATE })?;
            shell.p.set_fd(STDOUT, Some(open.clone()));
            shell.p.set_fd(STDERR, Some(open));
            Ok(())
        }
    }
}

/// The single file name that a word comes to.
async fn one_name(shell: &mut Shell, w: &Word) -> Result<String, String> {
    if !shell.is_bash() {
        return word::text(shell, &w.value).await.map_err(|f| f.text);
    }
    let mut all = word::fields(shell, std::slice::from_ref(w)).await.map_err(|f| f.text)?;
    match all.pop() {
        Some(name) if all.is_empty() => Ok(name),
        _ => Err(format!("{}: ambiguous redirect", w.value)),
    }
}

async fn file(shell: &mut Shell, fd: i32, kind: &Kind, target: &Target) -> Result<(), String> {
    let name = match target {
        Target::Filename(w) | Target::Duplicate(w) => one_name(shell, w).await?,
        Target::Fd(n) => n.to_string(),
        Target::ProcessSubstitution(how, command) => substitute(shell, how, command),
    };
    let flags = match kind {
        Kind::Read => OpenFlags::READ,
        Kind::Write if shell.options.noclobber => {
            if shell.p.stat(&name, true).is_ok_and(|s| s.is_file()) {
                return Err(if shell.is_bash() {
                    format!("{name}: cannot overwrite existing file")
                } else {
                    format!("cannot create {name}: File exists")
                });
            }
            OpenFlags::CREATE
        }
        Kind::Write | Kind::Clobber => OpenFlags::CREATE,
        Kind::Append => OpenFlags::APPEND,
        Kind::ReadAndWrite => OpenFlags { create: true, ..OpenFlags::UPDATE },
        Kind::DuplicateInput | Kind::DuplicateOutput => return duplicate(shell, fd, &name, kind),
    };
    let open = open(shell, &name, flags)?;
    put(shell, fd, Some(open))
}

/// Puts an open file under a descriptor, or under a free one that a variable then names.
fn put(shell: &mut Shell, fd: i32, open: Option<Rc<Open>>) -> Result<(), String> {
    if fd < NAMED {
        shell.p.set_fd(fd, open);
        return Ok(());
    }
    let Some(name) = shell.descriptor_names.get((fd - NAMED) as usize).cloned() else { return Ok(()) };
    match open {
        Some(open) => {
            let taken = shell.p.fds();
            let free = (FREE..).find(|n| !taken.contains_key(n)).unwrap_or(FREE);
            shell.p.set_fd(free, Some(open));
            shell.kept_descriptors.push(free);
            shell.set(&name, free.to_string())
        }
        None => {
            let n = shell.get(&name).and_then(|n| n.parse::<i32>().ok());
            let n = n.ok_or_else(|| format!("{name}: Bad file descriptor"))?;
            shell.p.set_fd(n, None);
            shell.kept_descriptors.push(n);
            Ok(())
        }
    }
}

fn duplicate(shell: &mut Shell, fd: i32, name: &str, kind: &Kind) -> Result<(), String> {
    if name == "-" {
        return put(shell, fd, None);
    }
    // `3>&4-` moves a descriptor.
    let (number, moved) = match name.strip_suffix('-') {
        Some(number) => (number, true),
        None => (name, false),
    };
    match number.parse::<i32>() {
        Ok(from) => {
            let open = shell.p.fd(from).map_err(|e| format!("{number}: {e}"))?;
            put(shell, fd, Some(open))?;
            if moved && from != fd {
                shell.p.set_fd(from, None);
            }
            Ok(())
        }
        // `>&file` is `&>file`.
        Err(_) if matches!(kind, Kind::DuplicateOutput) && fd == STDOUT && shell.is_bash() => {
            let open = open(shell, name, OpenFlags::CREATE)?;
            shell.p.set_fd(STDOUT, Some(open.clone()));
            shell.p.set_fd(STDERR, Some(open));
            Ok(())
        }
        Err(_) if shell.is_bash() => Err(format!("{name}: ambiguous redirect")),
        Err(_) => Err("Syntax error: Bad fd number".to_owned()),
    }
}

fn open(shell: &Shell, path: &str, flags: OpenFlags) -> Result<Rc<Open>, String> {
    shell.p.open(path, flags, 0o666).map_err(|e| {
        if shell.is_bash() {
            return format!("{path}: {e}");
        }
        let what = if flags.create { "create" } else { "open" };
        match e {
            Errno::ENOENT if flags.create => format!("cannot {what} {path}: Directory nonexistent"),
            Errno::ENOENT => format!("cannot {what} {path}: No such file"),
            e => format!("cannot {what} {path}: {e}"),
        }
    })
}

/// Makes a text the input under a descriptor.
fn give(shell: &mut Shell, fd: i32, text: String) -> Result<(), String> {
    let open = Open::text(shell.p.host(), text);
    put(shell, fd, Some(open))
}

/// Starts the command of `<(…)` or `>(…)`; gives the name of the file that stands for it.
pub fn substitute(shell: &mut Shell, how: &ProcessSubstitutionKind, command: &SubshellCommand) -> String {
    let (reader, writer) = shell.p.pipe();
    let (ours, theirs, standard) = match how {
        ProcessSubstitutionKind::Read => (reader, writer, STDOUT),
        ProcessSubstitutionKind::Write => (writer, reader, STDIN),
    };
    let taken = shell.p.fds();
    let n = (FREE..=SUBSTITUTED).rev().find(|n| !taken.contains_key(n)).unwrap_or(SUBSTITUTED);
    let (list, base) = (command.list.clone(), shell.clone());
    shell.p.fork(async move |p| {
        p.set_fd(standard, Some(theirs));
        let mut inner = base.subshell(p);
        let flow = run::run_list(&mut inner, &list).await;
        run::finish(&mut inner, flow).await
    });
    shell.p.set_fd(n, Some(ours));
    format!("/dev/fd/{n}")
}

/// The file in `< file`, where a command is nothing but that.
pub fn only_file(command: &str) -> Option<&str> {
    let file = command.trim().strip_prefix('<')?.trim_start();
    let plain = |c: char| !(c.is_whitespace() || ";&|<>()`#".contains(c));
    (!file.is_empty() && file.chars().all(plain)).then_some(file)
}

/// Puts a number in the place of each `{name}` that stands in front of `<` or `>`: the parser knows
/// descriptors by number alone. The names are added to `names`.
pub fn named(text: &str, names: &mut Vec<String>) -> Option<String> {
    if !text.contains("}>") && !text.contains("}<") {
        return None;
    }
    let (mut out, mut quote, mut at) = (String::new(), None, 0);
    while let Some(c) = text[at..].chars().next() {
        let starts = at == 0 || text[..at].ends_with([' ', '\t', '\n', ';', '&', '|', '(']);
        if c == '{'
            && quote.is_none()
            && starts
            && let Some((name, rest)) = text[at + 1..].split_once('}')
            && super::variable::is_name(name)
            && rest.starts_with(['<', '>'])
        {
            out.push_str(&(NAMED as usize + names.len()).to_string());
            names.push(name.to_owned());
            at += name.len() + 2;
            continue;
        }
        match c {
            '\'' | '"' if quote.is_none() => quote = Some(c),
            c if quote == Some(c) => quote = None,
            _ => {}
        }
        out.push(c);
        at += c.len_utf8();
    }
    Some(out)
}

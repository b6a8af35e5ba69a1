//! Redirections: `<`, `>`, `>>`, `<>`, `>|`, `n>&m`, here-documents and here-strings.

use super::state::Shell;
use super::word;
use crate::world::fs::OpenFlags;
use crate::world::open::Open;
use crate::world::process::{STDERR, STDIN, STDOUT};
use brush_parser::ast::{IoFileRedirectKind as Kind, IoFileRedirectTarget as Target, IoRedirect};
use std::rc::Rc;

/// Carries a redirection out on the shell's own descriptors; the caller puts them back.
///
/// # Errors
/// Why it cannot be, in the shell's words.
pub async fn apply(shell: &mut Shell, redirect: &IoRedirect) -> Result<(), String> {
    match redirect {
        IoRedirect::File(fd, kind, target) => {
            let default = if matches!(kind, Kind::Read | Kind::ReadAndWrite | Kind::DuplicateInput) {
                STDIN
            } else {
                STDOUT
            };
            file(shell, fd.unwrap_or(default), kind, target).await
        }
        IoRedirect::HereDocument(fd, document) => {
            let text = if document.requires_expansion {
                word::document(shell, &document.doc.value).await.map_err(|e| e.text)?
            } else {
                document.doc.value.clone()
            };
            input(shell, fd.unwrap_or(STDIN), text);
            Ok(())
        }
        IoRedirect::HereString(fd, w) => {
            let text = word::text(shell, &w.value).await.map_err(|e| e.text)?;
            input(shell, fd.unwrap_or(STDIN), text + "\n");
            Ok(())
        }
        IoRedirect::OutputAndError(w, append) => {
            let path = word::text(shell, &w.value).await.map_err(|e| e.text)?;
            let open = open(shell, &path, if *append { OpenFlags::APPEND } else { OpenFlags::CREATE })?;
            shell.p.set_fd(STDOUT, Some(open.clone()));
            shell.p.set_fd(STDERR, Some(open));
            Ok(())
        }
    }
}

async fn file(shell: &mut Shell, fd: i32, kind: &Kind, target: &Target) -> Result<(), String> {
    let name = match target {
        Target::Filename(w) | Target::Duplicate(w) => {
            word::text(shell, &w.value).await.map_err(|e| e.text)?
        }
        Target::Fd(n) => n.to_string(),
        Target::ProcessSubstitution(..) => {
            return Err("process substitution: not available in the lab".to_owned());
        }
    };
    let flags = match kind {
        Kind::Read => OpenFlags::READ,
        Kind::Write if shell.options.noclobber => {
            if shell.p.stat(&name, true).is_ok_and(|s| s.is_file()) {
                return Err(format!("{name}: cannot overwrite existing file"));
            }
            OpenFlags::CREATE
        }
        Kind::Write | Kind::Clobber => OpenFlags::CREATE,
        Kind::Append => OpenFlags::APPEND,
        Kind::ReadAndWrite => OpenFlags { create: true, ..OpenFlags::UPDATE },
        Kind::DuplicateInput | Kind::DuplicateOutput => return duplicate(shell, fd, &name, kind),
    };
    let open = open(shell, &name, flags)?;
    shell.p.set_fd(fd, Some(open));
    Ok(())
}

fn duplicate(shell: &Shell, fd: i32, name: &str, kind: &Kind) -> Result<(), String> {
    if name == "-" {
        shell.p.set_fd(fd, None);
        return Ok(());
    }
    match name.parse::<i32>() {
        Ok(from) => {
            let open = shell.p.fd(from).map_err(|e| format!("{name}: {e}"))?;
            shell.p.set_fd(fd, Some(open));
            Ok(())
        }
        // `>&file` is `&>file`.
        Err(_) if matches!(kind, Kind::DuplicateOutput) && fd == STDOUT => {
            let open = open(shell, name, OpenFlags::CREATE)?;
            shell.p.set_fd(STDOUT, Some(open.clone()));
            shell.p.set_fd(STDERR, Some(open));
            Ok(())
        }
        Err(_) => Err(format!("{name}: ambiguous redirect")),
    }
}

fn open(shell: &Shell, path: &str, flags: OpenFlags) -> Result<Rc<Open>, String> {
    // The descriptors' own files are no links here.
    let own = path.strip_prefix("/dev/fd/").or(match path {
        "/dev/stdin" => Some("0"),
        "/dev/stdout" => Some("1"),
        "/dev/stderr" => Some("2"),
        _ => None,
    });
    if let Some(open) = own.and_then(|n| n.parse().ok()).and_then(|n| shell.p.fd(n).ok()) {
        return Ok(open);
    }
    shell.p.open(path, flags, 0o666).map_err(|e| format!("{path}: {e}"))
}

/// Makes a text the input under a descriptor.
fn input(shell: &Shell, fd: i32, text: String) {
    shell.p.set_fd(fd, Some(Open::text(shell.p.host(), text)));
}

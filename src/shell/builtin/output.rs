//! `echo` and `printf`, as the shell's own.

use super::{complain, usage};
use crate::shell::commands::printf::{Style, formatted, unescaped};
use crate::shell::state::Shell;
use crate::world::errno::Errno;
use crate::world::exec::Signal;
use crate::world::process::STDOUT;
use std::rc::Rc;

/// Writes to standard output; gives 1 and says why where that fails.
pub(super) async fn put(shell: &Shell, builtin: &str, text: Vec<u8>) -> i32 {
    if text.is_empty() {
        return 0;
    }
    let written = match shell.p.fd(STDOUT) {
        Ok(open) => open.write(text).await,
        Err(e) => Err(e),
    };
    match written {
        Ok(()) => 0,
        Err(Errno::EPIPE) => {
            shell.p.die(Signal::Pipe).await;
            1
        }
        Err(e) => {
            shell.say(&format!("{builtin}: write error: {e}"), &format!("{builtin}: I/O error")).await;
            1
        }
    }
}

pub(super) async fn echo(shell: &Shell, args: &[&str]) -> i32 {
    let (mut newline, mut escapes, mut first) = (true, !shell.is_bash(), 0);
    if shell.is_bash() {
        let is_option =
            |a: &str| a.len() > 1 && a.starts_with('-') && a[1..].chars().all(|c| "neE".contains(c));
        for option in args.iter().take_while(|a| is_option(a)) {
            first += 1;
            for c in option[1..].chars() {
                match c {
                    'n' => newline = false,
                    c => escapes = c == 'e',
                }
            }
        }
    } else if args.first() == Some(&"-n") {
        (newline, first) = (false, 1);
    }
    let mut out = args[first..].join(" ").into_bytes();
    if escapes {
        let (bytes, stop) = unescaped(&out);
        newline &= !stop;
        out = bytes;
    }
    if newline {
        out.push(b'\n');
    }
    put(shell, "echo", out).await
}

pub(super) async fn printf(shell: &mut Shell, args: &[&str]) -> i32 {
    let (mut rest, mut variable) = (args, None);
    if let ["-v", name, after @ ..] = rest
        && shell.is_bash()
    {
        (rest, variable) = (after, Some(*name));
    }
    if rest.first() == Some(&"--") {
        rest = &rest[1..];
    }
    let Some((format, arguments)) = rest.split_first() else {
        if shell.is_bash() {
            return usage(shell, "printf [-v var] format [arguments]").await;
        }
        shell.complain("printf: usage: printf format [arg ...]").await;
        return 2;
    };
    let arguments: Vec<Rc<str>> = arguments.iter().map(|a| (*a).into()).collect();
    let style = if shell.is_bash() { Style::Bash } else { Style::Dash };
    let made = formatted(style, format, &arguments, shell.p.now());
    let mut status = 0;
    for text in made.complaints.iter().chain(&made.failure) {
        status = complain(shell, &format!("printf: {text}")).await;
    }
    match variable {
        None => status.max(put(shell, "printf", made.out).await),
        Some(name) => {
            let text = String::from_utf8_lossy(&made.out).into_owned();
            let done = match name.split_once('[').and_then(|(n, i)| Some((n, i.strip_suffix(']')?))) {
                Some((name, index)) => crate::shell::arith::set_element(shell, name, index, text),
                None => shell.set(name, text),
            };
            match done {
                Ok(()) => status,
                Err(e) => complain(shell, &e).await,
            }
        }
    }
}

//! Builtins about what a name stands for: `type`, `command -v`, `hash`, `alias`, `enable`, `help`,
//! `caller`.

use super::{NAMES, complain, find, invalid_option, is_known, is_special, letters};
use crate::shell::quote;
use crate::shell::show;
use crate::shell::state::Shell;

const KEYWORDS: [&str; 21] = [
    "!", "[[", "]]", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if",
    "in", "select", "then", "time", "until", "while", "{",
];

fn is_keyword(shell: &Shell, name: &str) -> bool {
    let bash_only = matches!(name, "[[" | "]]" | "coproc" | "function" | "select" | "time");
    (KEYWORDS.contains(&name) || name == "}") && (shell.is_bash() || !bash_only)
}

/// The files of this name along PATH.
fn files(shell: &Shell, name: &str, all: bool) -> Vec<String> {
    if name.contains('/') {
        return shell.p.find_program(name).into_iter().collect();
    }
    let path = shell.get("PATH").unwrap_or_default();
    let mut found = Vec::new();
    for directory in path.split(':') {
        let full = if directory.is_empty() { format!("./{name}") } else { format!("{directory}/{name}") };
        let is_program = shell.p.stat(&full, true).is_ok_and(|s| s.is_file())
            && shell.p.access(&full, crate::world::fs::Access::EXEC).is_ok();
        if is_program {
            found.push(full);
            if !all {
                break;
            }
        }
    }
    found
}

/// `command -v` (`how` is `v`), `command -V` and `type` (`V`).
pub(super) async fn describe(shell: &mut Shell, names: &[&str], how: char) -> i32 {
    let short = how == 'v';
    let (mut out, mut status, mut any) = (String::new(), 0, false);
    for name in names {
        let lines = lines(shell, name, short, false);
        if lines.is_empty() {
            status = 1;
            if how == 'V' {
                shell.p.print(std::mem::take(&mut out)).await;
                let dash = format!("{name}: not found");
                match shell.is_bash() {
                    true => shell.complain(&format!("command: {name}: not found")).await,
                    false => shell.p.print(format!("{dash}\n")).await,
                }
            }
        }
        any |= !lines.is_empty();
        out.push_str(&lines.concat());
        if !shell.is_bash() && short {
            break; // dash looks at the first name alone
        }
    }
    shell.p.print(out).await;
    if any && shell.is_bash() { 0 } else { status }
}

fn lines(shell: &Shell, name: &str, short: bool, all: bool) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |short_text: String, long: String| out.push(if short { short_text } else { long });
    let plain = format!("{name}\n");
    if let Some(text) = shell.aliases.get(name) {
        let shown = quote::single(text);
        add(format!("alias {name}={shown}\n"), format!("{name} is aliased to `{text}'\n"));
    }
    if is_keyword(shell, name) {
        add(plain.clone(), format!("{name} is a shell keyword\n"));
    }
    if let Some(f) = shell.functions.get(name) {
        let long = match shell.is_bash() {
            true => format!("{name} is a function\n{}", show::function(name, &f.body)),
            false => format!("{name} is a shell function\n"),
        };
        add(plain.clone(), long);
    }
    if let Some(which) = find(name).filter(|b| is_known(shell, name, *b)) {
        let special = if !shell.is_bash() && is_special(which) { "special " } else { "" };
        add(plain, format!("{name} is a {special}shell builtin\n"));
    }
    if out.is_empty() || all {
        for path in files(shell, name, all) {
            out.push(if short { format!("{path}\n") } else { format!("{name} is {path}\n") });
        }
    }
    out.truncate(if all { usize::MAX } else { 1 });
    out
}

pub(super) async fn type_(shell: &mut Shell, args: &[&str]) -> i32 {
    let (found, rest) = match letters(args, "afptP") {
        Ok(found) => found,
        Err(option) => return invalid_option(shell, &option, "type [-afptP] name [name ...]").await,
    };
    let mut status = 0;
    for name in rest {
        let text = if found.contains('t') {
            let word = if shell.aliases.contains_key(*name) {
                "alias"
            } else if is_keyword(shell, name) {
                "keyword"
            } else if shell.functions.contains_key(*name) {
                "function"
            } else if find(name).is_some_and(|b| is_known(shell, name, b)) {
                "builtin"
            } else if !files(shell, name, false).is_empty() {
                "file"
            } else {
                status = 1;
                continue;
            };
            format!("{word}\n")
        } else if found.contains(['p', 'P']) {
            let own = found.contains('p') && !found.contains('P');
            let inner = own && (find(name).is_some() || shell.functions.contains_key(*name));
            let path =
                files(shell, name, found.contains('a')).iter().map(|f| format!("{f}\n")).collect::<String>();
            if path.is_empty() && !inner {
                status = 1;
            }
            if inner { String::new() } else { path }
        } else {
            let text = lines(shell, name, false, found.contains('a')).concat();
            if text.is_empty() {
                status = if shell.is_bash() { 1 } else { 127 };
                match shell.is_bash() {
                    true => shell.complain(&format!("type: {name}: not found")).await,
                    false => shell.p.print(format!("{name}: not found\n")).await,
                }
                continue;
            }
            text
        };
        shell.p.print(text).await;
    }
    status
}

pub(super) async fn hash(shell: &mut Shell, args: &[&str]) -> i32 {
    let (found, rest) = match letters(args, "lrp:dt") {
        Ok(found) => found,
        Err(option) => {
            return invalid_option(shell, &option, "hash [-lr] [-p pathname] [-dt] [name ...]").await;
        }
    };
    if rest.is_empty() && found.is_empty() && shell.is_bash() {
        shell.p.print("hash: hash table empty\n").await;
        return 0;
    }
    let mut status = 0;
    for name in rest {
        if find(name).is_none() && files(shell, name, false).is_empty() {
            status = complain(shell, &format!("hash: {name}: not found")).await;
        }
    }
    status
}

pub(super) async fn alias(shell: &mut Shell, args: &[&str]) -> i32 {
    let front = if shell.is_bash() { "alias " } else { "" };
    let args: Vec<&str> = args.iter().copied().filter(|a| *a != "-p").collect();
    if args.is_empty() {
        let all = shell.aliases.iter().map(|(n, t)| format!("{front}{n}={}\n", quote::single(t)));
        shell.p.print(all.collect::<String>()).await;
        return 0;
    }
    let mut status = 0;
    for arg in args {
        match arg.split_once('=') {
            Some((name, text)) if !name.is_empty() => {
                shell.aliases.insert(name.to_owned(), text.to_owned());
            }
            _ => match shell.aliases.get(arg) {
                Some(text) => shell.p.print(format!("{front}{arg}={}\n", quote::single(text))).await,
                None => status = complain(shell, &format!("alias: {arg}: not found")).await,
            },
        }
    }
    status
}

pub(super) async fn unalias(shell: &mut Shell, args: &[&str]) -> i32 {
    if args.first() == Some(&"-a") {
        shell.aliases.clear();
        return 0;
    }
    let mut status = 0;
    for name in args {
        if shell.aliases.remove(*name).is_none() {
            status = complain(shell, &format!("unalias: {name}: not found")).await;
        }
    }
    status
}

pub(super) async fn enable(shell: &mut Shell, args: &[&str]) -> i32 {
    let (found, rest) = match letters(args, "anps") {
        Ok(found) => found,
        Err(option) => {
            return invalid_option(shell, &option, "enable [-a] [-dnps] [-f filename] [name ...]").await;
        }
    };
    let off = found.contains('n');
    if rest.is_empty() {
        let all = NAMES.iter().filter(|(n, ..)| shell.disabled.iter().any(|d| d == n) == off);
        let word = if off { "enable -n" } else { "enable" };
        shell.p.print(all.map(|(n, ..)| format!("{word} {n}\n")).collect::<String>()).await;
        return 0;
    }
    let mut status = 0;
    for name in rest {
        if find(name).is_none() {
            status = complain(shell, &format!("enable: {name}: not a shell builtin")).await;
            continue;
        }
        shell.disabled.retain(|d| d != name);
        if off {
            shell.disabled.push((*name).to_owned());
        }
    }
    status
}

/// What a few builtins do, in a line.
const HELP: [(&str, &str, &str); 8] = [
    (":", ":", "Null command."),
    ("cd", "cd [-L|[-P [-e]] [-@]] [dir]", "Change the shell working directory."),
    ("echo", "echo [-neE] [arg ...]", "Write arguments to the standard output."),
    ("exit", "exit [n]", "Exit the shell."),
    ("export", "export [-fn] [name[=value] ...] or export -p", "Set export attribute for shell variables."),
    ("false", "false", "Return an unsuccessful result."),
    ("pwd", "pwd [-LP]", "Print the name of the current working directory."),
    ("true", "true", "Return a successful result."),
];

pub(super) async fn help(shell: &mut Shell, args: &[&str]) -> i32 {
    let mut status = 0;
    if args.is_empty() {
        let all: Vec<&str> = NAMES.iter().map(|(n, ..)| *n).collect();
        shell.p.print(format!("These shell commands are defined internally:\n {}\n", all.join(" "))).await;
    }
    for name in args {
        if let Some((name, synopsis, text)) = HELP.iter().find(|(n, ..)| n == name) {
            shell.p.print(format!("{name}: {synopsis}\n    {text}\n")).await;
        } else if find(name).is_some() {
            shell.p.print(format!("{name}: a shell builtin; bash(1) describes it\n")).await;
        } else {
            let text = format!(
                "help: no help topics match `{name}'.  Try `help help' or `man -k {name}' or `info {name}'."
            );
            status = complain(shell, &text).await;
        }
    }
    status
}

pub(super) async fn caller(shell: &Shell) -> i32 {
    if shell.calls.is_empty() {
        return 1;
    }
    shell.p.print(format!("{} NULL\n", shell.line)).await;
    0
}

//! bash(1) and sh(1): `-c TEXT [NAME ARG…]`, `FILE ARG…`, `-s ARG…` or a script on standard input.
//!
//! # Simplifications
//! `-i` has no effect where standard input is no terminal. Start-up files are read
//! by login shells alone (`/etc/profile`, then the first of `~/.bash_profile`, `~/.bash_login`,
//! `~/.profile`). A script on standard input is read to its end before it runs.

use super::dialect::Dialect;
use super::interactive;
use super::options::Options;
use super::run::{self, Flow};
use super::state::Shell;
use crate::world::errno::Errno;
use crate::world::process::Process;

const USAGE: &str = "Usage:\tbash [GNU long option] [option] ...
\tbash [GNU long option] [option] script-file ...
GNU long options:
\t--debug
\t--debugger
\t--dump-po-strings
\t--dump-strings
\t--help
\t--init-file
\t--login
\t--noediting
\t--noprofile
\t--norc
\t--posix
\t--pretty-print
\t--rcfile
\t--restricted
\t--verbose
\t--version
Shell options:
\t-ilrsD or -c command or -O shopt_option\t\t(invocation only)
\t-abefhkmnptuvxBCEHPT or -o option
";

const VERSION: &str = "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)
Copyright (C) 2022 Free Software Foundation, Inc.
License GPLv3+: GNU GPL version 3 or later <http://gnu.org/licenses/gpl.html>

This is free software; you are free to change and redistribute it.
There is NO WARRANTY, to the extent permitted by law.
";

/// What the command line asks for.
#[derive(Default)]
struct Wanted {
    command: bool,
    standard_input: bool,
    login: bool,
    rest: Vec<String>,
}

impl Wanted {
    /// Do the commands come from standard input?
    fn reads_input(&self) -> bool {
        self.standard_input || self.rest.is_empty()
    }
}

/// Runs the shell.
pub async fn main(p: Process, dialect: Dialect) -> i32 {
    let mut shell = Shell::new(p, dialect);
    let wanted = match arguments(&mut shell).await {
        Ok(wanted) => wanted,
        Err(status) => return status,
    };
    let at_terminal = interactive::terminal(&shell).filter(|_| !wanted.command && wanted.reads_input());
    if let Some(terminal) = at_terminal {
        shell.positional.clone_from(&wanted.rest);
        if wanted.login {
            log_in(&mut shell).await;
        }
        let flow = interactive::run(&mut shell, &terminal).await;
        return run::finish(&mut shell, flow).await;
    }
    let text = match text(&mut shell, &wanted).await {
        Ok(text) => text,
        Err(status) => return status,
    };
    if wanted.login {
        log_in(&mut shell).await;
    }
    let flow = shell.text(&text).await;
    run::finish(&mut shell, flow).await
}

async fn arguments(shell: &mut Shell) -> Result<Wanted, i32> {
    let args: Vec<String> = shell.p.args().iter().map(|a| a.to_string()).collect();
    let mut wanted = Wanted { login: shell.name.starts_with('-'), ..Wanted::default() };
    let name = shell.name.clone();
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next_if(|a| a.len() > 1 && a.starts_with(['-', '+']) || a == "-") {
        if arg == "-" || arg == "--" {
            break;
        }
        if let Some(long) = arg.strip_prefix("--").filter(|_| shell.is_bash()) {
            match long {
                "login" => wanted.login = true,
                "version" => {
                    shell.p.print(VERSION).await;
                    return Err(0);
                }
                "help" => {
                    shell
                        .p
                        .print(format!("GNU bash, version 5.2.15(1)-release-(x86_64-pc-linux-gnu)\n{USAGE}"))
                        .await;
                    return Err(0);
                }
                "posix" | "norc" | "noprofile" | "noediting" => {}
                "verbose" => shell.options.verbose = true,
                "rcfile" | "init-file" => drop(args.next()),
                _ => {
                    shell.p.eprint(format!("{name}: {arg}: invalid option\n{USAGE}")).await;
                    return Err(2);
                }
            }
            continue;
        }
        let on = arg.starts_with('-');
        for letter in arg[1..].chars() {
            match letter {
                'c' if on => wanted.command = true,
                's' if on => wanted.standard_input = true,
                'l' if on => wanted.login = true,
                'i' | 'r' | 'D' => {}
                'o' | 'O' => {
                    let option = args.next().unwrap_or_default();
                    let known = match letter {
                        'o' => shell.options.set(&option, on),
                        _ => shell.options.set_shopt(&option, on),
                    };
                    if !known {
                        shell.p.eprint(format!("{name}: {option}: invalid option name\n")).await;
                        return Err(2);
                    }
                }
                letter => match Options::by_letter(letter) {
                    Some(option) => {
                        shell.options.set(option, on);
                    }
                    None if shell.is_bash() => {
                        let text = format!("{name}: {}{letter}: invalid option\n{USAGE}", &arg[..1]);
                        shell.p.eprint(text).await;
                        return Err(2);
                    }
                    None => {
                        shell.p.eprint(format!("{name}: 0: Illegal option -{letter}\n")).await;
                        return Err(2);
                    }
                },
            }
        }
    }
    wanted.rest = args.collect();
    Ok(wanted)
}

/// The text to run; sets the name, what errors say, and the positional parameters.
async fn text(shell: &mut Shell, wanted: &Wanted) -> Result<String, i32> {
    let rest = &wanted.rest;
    if wanted.command {
        let Some(text) = rest.first() else {
            let said = if shell.is_bash() {
                "-c: option requires an argument"
            } else {
                "0: -c requires an argument"
            };
            shell.p.eprint(format!("{}: {said}\n", shell.name)).await;
            return Err(2);
        };
        if let Some(name) = rest.get(1) {
            shell.name.clone_from(name);
            shell.source = name.as_str().into();
        }
        shell.positional = rest.get(2..).unwrap_or_default().to_vec();
        shell.note = "-c";
        shell.from_text = true;
        return Ok(text.clone());
    }
    if let Some(file) = rest.first().filter(|_| !wanted.standard_input) {
        let text = script(shell, file).await?;
        shell.positional = rest[1..].to_vec();
        return Ok(text);
    }
    shell.positional.clone_from(rest);
    shell.defines_in = "main".into();
    let mut all = Vec::new();
    loop {
        let more = shell.p.read_stdin(65536).await;
        if more.is_empty() || all.len() > 1 << 21 {
            break;
        }
        all.extend_from_slice(&more);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

async fn script(shell: &mut Shell, file: &str) -> Result<String, i32> {
    let found = if file.contains('/') || shell.p.exists(file) {
        file.to_owned()
    } else {
        shell.p.find_program(file).unwrap_or_else(|_| file.to_owned())
    };
    match shell.p.read_text(&found) {
        Ok(text) => {
            shell.name = file.to_owned();
            shell.source = file.into();
            shell.defines_in = file.into();
            Ok(text)
        }
        Err(e) => {
            let status = if e == Errno::ENOENT { 127 } else { 126 };
            let said = match (shell.dialect, e) {
                (Dialect::Bash, Errno::EISDIR) => format!("{file}: {file}: {e}\n"),
                (Dialect::Bash, e) => format!("{}: {file}: {e}\n", shell.name),
                (Dialect::Dash, Errno::ENOENT) => {
                    format!("{}: 0: cannot open {file}: No such file\n", shell.name)
                }
                (Dialect::Dash, e) => format!("{}: 0: cannot open {file}: {e}\n", shell.name),
            };
            shell.p.eprint(said).await;
            Err(if shell.is_bash() { status } else { 2 })
        }
    }
}

/// What a login shell reads first.
async fn log_in(shell: &mut Shell) {
    let home = shell.get("HOME").unwrap_or_default();
    let own: &[&str] =
        if shell.is_bash() { &[".bash_profile", ".bash_login", ".profile"] } else { &[".profile"] };
    let own = own.iter().map(|name| format!("{home}/{name}")).find(|path| shell.p.exists(path));
    for file in std::iter::once("/etc/profile".to_owned()).chain(own) {
        let Ok(text) = shell.p.read_text(&file) else { continue };
        let source = std::mem::replace(&mut shell.source, file.as_str().into());
        let note = std::mem::take(&mut shell.note);
        let flow = shell.text(&text).await;
        (shell.source, shell.note) = (source, note);
        if let Flow::Exit(_) = flow {
            return;
        }
    }
}

//! Commands of the shell itself (bash(1), "SHELL BUILTIN COMMANDS").
//!
//! - [`NAMES`]: which there are
//! - [`flow`]: `exit`, `return`, `break`, `eval`, `.`, `exec`, `command`
//! - [`variables`]: `export`, `declare`, `local`, `unset`, `shift`, `let`; [`settings`]: `set`, `shopt`
//! - [`input`]: `read`, `mapfile`, `getopts`; [`output`]: `echo`, `printf`
//! - [`directory`]: `cd`, `pwd`, `pushd`, `umask`; [`names`]: `type`, `hash`, `alias`, `enable`, `help`
//! - [`processes`]: `jobs`, `wait`, `kill`, `trap`, `ulimit`, `times`
//!
//! # Simplifications
//! Job control, completion, line editing and history do nothing, as in a shell without a terminal;
//! `ulimit` shows the usual limits and sets none.

mod directory;
mod flow;
mod input;
mod names;
mod output;
mod processes;
mod settings;
mod variables;

use super::condition;
use super::run::Flow;
use super::state::Shell;
use std::future::Future;
use std::pin::Pin;

/// The builtins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Builtin {
    Alias,
    Bind,
    Break,
    Builtin,
    Caller,
    Cd,
    Colon,
    Command,
    Complete,
    Continue,
    Declare,
    Dirs,
    Disown,
    Echo,
    Enable,
    Eval,
    Exec,
    Exit,
    Export,
    False,
    Getopts,
    Hash,
    Help,
    History,
    Jobs,
    Kill,
    Let,
    Local,
    Logout,
    Mapfile,
    Popd,
    Printf,
    Pushd,
    Pwd,
    Read,
    Readonly,
    Return,
    Set,
    Shift,
    Shopt,
    Source,
    Suspend,
    Test,
    Times,
    Trap,
    True,
    Type,
    Ulimit,
    Umask,
    Unalias,
    Unset,
    Wait,
}

/// Who knows a builtin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Known {
    Both,
    /// Both, and its failure ends a script of dash (POSIX's special builtins).
    Special,
    Bash,
}

/// Their names, sorted.
const NAMES: &[(&str, Builtin, Known)] = {
    use Known::{Bash, Both, Special};
    &[
        (".", Builtin::Source, Special),
        (":", Builtin::Colon, Special),
        ("[", Builtin::Test, Both),
        ("alias", Builtin::Alias, Both),
        ("bg", Builtin::Disown, Both),
        ("bind", Builtin::Bind, Bash),
        ("break", Builtin::Break, Special),
        ("builtin", Builtin::Builtin, Bash),
        ("caller", Builtin::Caller, Bash),
        ("cd", Builtin::Cd, Both),
        ("command", Builtin::Command, Both),
        ("compgen", Builtin::Complete, Bash),
        ("complete", Builtin::Complete, Bash),
        ("compopt", Builtin::Complete, Bash),
        ("continue", Builtin::Continue, Special),
        ("declare", Builtin::Declare, Bash),
        ("dirs", Builtin::Dirs, Bash),
        ("disown", Builtin::Disown, Bash),
        ("echo", Builtin::Echo, Both),
        ("enable", Builtin::Enable, Bash),
        ("eval", Builtin::Eval, Special),
        ("exec", Builtin::Exec, Special),
        ("exit", Builtin::Exit, Special),
        ("export", Builtin::Export, Special),
        ("false", Builtin::False, Both),
        ("fc", Builtin::History, Bash),
        ("fg", Builtin::Disown, Both),
        ("getopts", Builtin::Getopts, Both),
        ("hash", Builtin::Hash, Both),
        ("help", Builtin::Help, Bash),
        ("history", Builtin::History, Bash),
        ("jobs", Builtin::Jobs, Both),
        ("kill", Builtin::Kill, Both),
        ("let", Builtin::Let, Bash),
        ("local", Builtin::Local, Both),
        ("logout", Builtin::Logout, Bash),
        ("mapfile", Builtin::Mapfile, Bash),
        ("popd", Builtin::Popd, Bash),
        ("printf", Builtin::Printf, Both),
        ("pushd", Builtin::Pushd, Bash),
        ("pwd", Builtin::Pwd, Both),
        ("read", Builtin::Read, Both),
        ("readarray", Builtin::Mapfile, Bash),
        ("readonly", Builtin::Readonly, Special),
        ("return", Builtin::Return, Special),
        ("set", Builtin::Set, Special),
        ("shift", Builtin::Shift, Special),
        ("shopt", Builtin::Shopt, Bash),
        ("source", Builtin::Source, Bash),
        ("suspend", Builtin::Suspend, Bash),
        ("test", Builtin::Test, Both),
        ("times", Builtin::Times, Special),
        ("trap", Builtin::Trap, Special),
        ("true", Builtin::True, Both),
        ("type", Builtin::Type, Both),
        ("typeset", Builtin::Declare, Bash),
        ("ulimit", Builtin::Ulimit, Both),
        ("umask", Builtin::Umask, Both),
        ("unalias", Builtin::Unalias, Both),
        ("unset", Builtin::Unset, Special),
        ("wait", Builtin::Wait, Both),
    ]
};

/// The builtin of this name.
pub fn find(name: &str) -> Option<Builtin> {
    NAMES.iter().find(|(n, ..)| *n == name).map(|(_, b, _)| *b)
}

/// Does this shell know the builtin by this name?
pub fn is_known(shell: &Shell, name: &str, _which: Builtin) -> bool {
    let known = |known: Known| known != Known::Bash || shell.is_bash();
    NAMES.iter().any(|(n, _, k)| *n == name && known(*k)) && !shell.disabled.iter().any(|n| n == name)
}

/// Does its failure end a script of dash?
pub fn is_special(which: Builtin) -> bool {
    NAMES.iter().any(|(_, b, k)| *b == which && *k == Known::Special)
}

/// Does this command take assignments as arguments?
pub fn declares(name: &str) -> bool {
    matches!(find(name), Some(Builtin::Export | Builtin::Readonly | Builtin::Local | Builtin::Declare))
}

/// Runs a builtin.
pub fn run<'a>(
    shell: &'a mut Shell,
    which: Builtin,
    argv: &'a [String],
) -> Pin<Box<dyn Future<Output = Flow> + 'a>> {
    Box::pin(async move {
        let args: Vec<&str> = argv[1..].iter().map(String::as_str).collect();
        let flow = match which {
            Builtin::Exit | Builtin::Return => return flow::leave(shell, which, &args).await,
            Builtin::Break | Builtin::Continue => return flow::out_of_loops(shell, which, &args).await,
            Builtin::Eval => return flow::eval(shell, &args).await,
            Builtin::Source => return flow::source(shell, &argv[0], &args).await,
            Builtin::Exec if !args.is_empty() => return flow::exec(shell, &args).await,
            Builtin::Command => return flow::command(shell, argv).await,
            Builtin::Builtin => return flow::builtin(shell, argv).await,
            _ => Flow::Normal,
        };
        shell.status = plain(shell, which, argv, &args).await;
        let failed = shell.status > 1 || (shell.status == 1 && which == Builtin::Shift);
        if !shell.is_bash() && failed && is_special(which) { Flow::Exit(2) } else { flow }
    })
}

/// Builtins that do their work and go on.
async fn plain(shell: &mut Shell, which: Builtin, argv: &[String], args: &[&str]) -> i32 {
    match which {
        Builtin::Colon | Builtin::True | Builtin::Exec | Builtin::History | Builtin::Complete => 0,
        Builtin::False => 1,
        Builtin::Echo => output::echo(shell, args).await,
        Builtin::Printf => output::printf(shell, args).await,
        Builtin::Pwd => directory::pwd(shell, args).await,
        Builtin::Cd => directory::cd(shell, args).await,
        Builtin::Dirs => directory::dirs(shell).await,
        Builtin::Pushd => directory::pushd(shell, args).await,
        Builtin::Popd => directory::popd(shell).await,
        Builtin::Umask => directory::umask(shell, args).await,
        Builtin::Test => test(shell, argv).await,
        Builtin::Export => variables::attributes(shell, "export", args).await,
        Builtin::Readonly => variables::attributes(shell, "readonly", args).await,
        Builtin::Local => variables::local(shell, args).await,
        Builtin::Declare => variables::declare(shell, &argv[0], args).await,
        Builtin::Unset => variables::unset(shell, args).await,
        Builtin::Shift => variables::shift(shell, args).await,
        Builtin::Let => variables::let_(shell, args).await,
        Builtin::Set => settings::set(shell, args).await,
        Builtin::Shopt => settings::shopt(shell, args).await,
        Builtin::Read => input::read(shell, args).await,
        Builtin::Mapfile => input::mapfile(shell, args).await,
        Builtin::Getopts => input::getopts(shell, args).await,
        Builtin::Type => names::type_(shell, args).await,
        Builtin::Hash => names::hash(shell, args).await,
        Builtin::Alias => names::alias(shell, args).await,
        Builtin::Unalias => names::unalias(shell, args).await,
        Builtin::Enable => names::enable(shell, args).await,
        Builtin::Help => names::help(shell, args).await,
        Builtin::Caller => names::caller(shell).await,
        Builtin::Jobs => processes::jobs(shell, args).await,
        Builtin::Wait => processes::wait(shell, args).await,
        Builtin::Kill => processes::kill(shell, args).await,
        Builtin::Trap => processes::trap(shell, args).await,
        Builtin::Ulimit => processes::ulimit(shell, args).await,
        Builtin::Times => processes::times(shell).await,
        Builtin::Disown => processes::no_job_control(shell, argv).await,
        Builtin::Suspend => complain(shell, "suspend: cannot suspend: no job control").await,
        Builtin::Logout => complain(shell, "logout: not login shell: use `exit'").await,
        Builtin::Bind => {
            shell.complain("bind: warning: line editing not enabled").await;
            0
        }
        Builtin::Exit
        | Builtin::Return
        | Builtin::Break
        | Builtin::Continue
        | Builtin::Eval
        | Builtin::Source
        | Builtin::Command
        | Builtin::Builtin => 0,
    }
}

async fn complain(shell: &Shell, text: &str) -> i32 {
    shell.complain(text).await;
    1
}

/// Says how a builtin is called.
async fn usage(shell: &Shell, text: &str) -> i32 {
    shell.p.eprint(format!("{}: usage: {text}\n", text.split(' ').next().unwrap_or_default())).await;
    2
}

/// Says that a builtin has no such option.
async fn invalid_option(shell: &Shell, option: &str, text: &str) -> i32 {
    let name = text.split(' ').next().unwrap_or_default();
    if !shell.is_bash() {
        shell.complain(&format!("{name}: Illegal option {option}")).await;
        return 2;
    }
    shell.complain(&format!("{name}: {option}: invalid option")).await;
    usage(shell, text).await
}

/// The letters in front of the other arguments: `-xy -z` gives `xyz`. Stops at `--`, at what begins
/// with something else, and at the first letter that is not allowed, which is given as the error.
fn letters<'a>(args: &'a [&'a str], allowed: &str) -> Result<(String, &'a [&'a str]), String> {
    let mut found = String::new();
    for (n, arg) in args.iter().enumerate() {
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            return Ok((found, &args[n..]));
        };
        if letters == "-" {
            return Ok((found, &args[n + 1..]));
        }
        if let Some(wrong) = letters.chars().find(|c| !allowed.contains(*c)) {
            return Err(format!("-{wrong}"));
        }
        found.push_str(letters);
    }
    Ok((found, &[]))
}

async fn test(shell: &mut Shell, argv: &[String]) -> i32 {
    let mut args: Vec<&str> = argv[1..].iter().map(String::as_str).collect();
    if argv[0] == "[" && args.pop() != Some("]") {
        shell.say("[: missing `]'", "[: missing ]").await;
        return 2;
    }
    match condition::test(shell, &args) {
        Ok(yes) => i32::from(!yes),
        Err(e) => {
            shell.complain(&format!("{}: {e}", argv[0])).await;
            2
        }
    }
}

//! Commands of the shell itself (bash(1), "SHELL BUILTIN COMMANDS").
//!
//! # Simplifications
//! Job control, completion, history and `declare -A` are not there; `ulimit` and `times` say so.

mod variables;

use super::run::Flow;
use super::simple;
use super::state::Shell;
use super::{arith, condition};
use crate::shell::commands;
use crate::world::exec::Signal;
use crate::world::process::Process;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use variables::{attributes, declare, getopts, local, read, unset};

/// The builtins, by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Builtin {
    Alias,
    Break,
    Cd,
    Colon,
    Command,
    Continue,
    Declare,
    Echo,
    Eval,
    Exec,
    Exit,
    Export,
    False,
    Getopts,
    Hash,
    Jobs,
    Kill,
    Let,
    Local,
    Printf,
    Pwd,
    Read,
    Readonly,
    Return,
    Set,
    Shift,
    Shopt,
    Source,
    Test,
    Trap,
    True,
    Type,
    Ulimit,
    Umask,
    Unset,
    Wait,
}

const NAMES: &[(&str, Builtin)] = &[
    (".", Builtin::Source),
    (":", Builtin::Colon),
    ("[", Builtin::Test),
    ("alias", Builtin::Alias),
    ("break", Builtin::Break),
    ("builtin", Builtin::Command),
    ("cd", Builtin::Cd),
    ("command", Builtin::Command),
    ("continue", Builtin::Continue),
    ("declare", Builtin::Declare),
    ("echo", Builtin::Echo),
    ("eval", Builtin::Eval),
    ("exec", Builtin::Exec),
    ("exit", Builtin::Exit),
    ("export", Builtin::Export),
    ("false", Builtin::False),
    ("getopts", Builtin::Getopts),
    ("hash", Builtin::Hash),
    ("jobs", Builtin::Jobs),
    ("kill", Builtin::Kill),
    ("let", Builtin::Let),
    ("local", Builtin::Local),
    ("printf", Builtin::Printf),
    ("pwd", Builtin::Pwd),
    ("read", Builtin::Read),
    ("readonly", Builtin::Readonly),
    ("return", Builtin::Return),
    ("set", Builtin::Set),
    ("shift", Builtin::Shift),
    ("shopt", Builtin::Shopt),
    ("source", Builtin::Source),
    ("test", Builtin::Test),
    ("trap", Builtin::Trap),
    ("true", Builtin::True),
    ("type", Builtin::Type),
    ("typeset", Builtin::Declare),
    ("ulimit", Builtin::Ulimit),
    ("umask", Builtin::Umask),
    ("unalias", Builtin::Alias),
    ("unset", Builtin::Unset),
    ("wait", Builtin::Wait),
];

/// The builtin of this name.
pub fn find(name: &str) -> Option<Builtin> {
    NAMES.iter().find(|(n, _)| *n == name).map(|(_, b)| *b)
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
            Builtin::Exit | Builtin::Return => return leave(shell, which, &args).await,
            Builtin::Break | Builtin::Continue => {
                let n = args.first().and_then(|n| n.parse().ok()).unwrap_or(1).max(1);
                shell.status = 0;
                return if which == Builtin::Break { Flow::Break(n) } else { Flow::Continue(n) };
            }
            Builtin::Eval => {
                shell.status = 0;
                return shell.text(&args.join(" ")).await;
            }
            Builtin::Source => return source(shell, &argv[0], &args).await,
            Builtin::Exec if !args.is_empty() => return exec(shell, argv).await,
            Builtin::Command => return command(shell, argv).await,
            _ => Flow::Normal,
        };
        shell.status = plain(shell, which, argv, &args).await;
        flow
    })
}

/// Builtins that do their work and go on.
async fn plain(shell: &mut Shell, which: Builtin, argv: &[String], args: &[&str]) -> i32 {
    match which {
        Builtin::Colon | Builtin::True | Builtin::Exec | Builtin::Hash | Builtin::Jobs => 0,
        Builtin::False => 1,
        Builtin::Echo => as_program(shell, argv, |p| Box::pin(commands::printf::echo(p))).await,
        Builtin::Printf => printf(shell, argv).await,
        Builtin::Pwd => {
            let path = shell.get("PWD").unwrap_or_else(|| shell.p.cwd_path());
            shell.p.print(format!("{path}\n")).await;
            0
        }
        Builtin::Cd => cd(shell, args).await,
        Builtin::Test => test(shell, argv).await,
        Builtin::Export => attributes(shell, argv, args, true, false).await,
        Builtin::Readonly => attributes(shell, argv, args, false, true).await,
        Builtin::Local => local(shell, args).await,
        Builtin::Declare => declare(shell, argv, args).await,
        Builtin::Unset => unset(shell, args).await,
        Builtin::Set => set(shell, args).await,
        Builtin::Shift => {
            let n = args.first().and_then(|n| n.parse().ok()).unwrap_or(1);
            if n > shell.positional.len() {
                return 1;
            }
            shell.positional.drain(..n);
            0
        }
        Builtin::Read => read(shell, args).await,
        Builtin::Let => {
            let mut last = 0;
            for text in args {
                match arith::evaluate(shell, text).await {
                    Ok(n) => last = n,
                    Err(e) => return complain(shell, &format!("let: {e}")).await,
                }
            }
            i32::from(last == 0)
        }
        Builtin::Umask => umask(shell, args).await,
        Builtin::Type => kind(shell, args, false).await,
        Builtin::Wait => wait(shell, args).await,
        Builtin::Kill => kill(shell, args).await,
        Builtin::Trap => trap(shell, args).await,
        Builtin::Getopts => getopts(shell, args).await,
        Builtin::Shopt => 0,
        Builtin::Alias => 0,
        Builtin::Ulimit => {
            if args.is_empty() || args == ["-a"] {
                shell.p.print("unlimited\n").await;
                return 0;
            }
            complain(shell, "ulimit: limits cannot be set in the lab").await
        }
        Builtin::Exit
        | Builtin::Return
        | Builtin::Break
        | Builtin::Continue
        | Builtin::Eval
        | Builtin::Source
        | Builtin::Command => 0,
    }
}

async fn complain(shell: &mut Shell, text: &str) -> i32 {
    shell.complain(text).await;
    1
}

/// Runs a small command within the shell's own process.
async fn as_program(
    shell: &Shell,
    argv: &[String],
    program: impl FnOnce(Process) -> Pin<Box<dyn Future<Output = i32>>>,
) -> i32 {
    let own: Vec<Rc<str>> = argv.iter().map(|a| a.as_str().into()).collect();
    let before = shell.p.set_argv(own.into());
    let status = program(shell.p.clone()).await;
    shell.p.set_argv(before);
    status
}

async fn printf(shell: &mut Shell, argv: &[String]) -> i32 {
    if argv.get(1).map(String::as_str) != Some("-v") {
        return as_program(shell, argv, |p| Box::pin(commands::printf::printf(p))).await;
    }
    let (Some(name), Some(rest)) = (argv.get(2), argv.get(3..)) else { return 2 };
    let text = std::iter::once("printf".to_owned()).chain(rest.iter().cloned()).collect::<Vec<_>>();
    let (reader, writer) = shell.p.pipe();
    let before = shell.p.fds();
    shell.p.set_fd(crate::world::process::STDOUT, Some(writer));
    let status = as_program(shell, &text, |p| Box::pin(commands::printf::printf(p))).await;
    drop(shell.p.set_fds(before));
    let out = reader.read_to_end(1 << 20).await.unwrap_or_default();
    match shell.set(name, String::from_utf8_lossy(&out)) {
        Ok(()) => status,
        Err(e) => complain(shell, &e).await,
    }
}

async fn leave(shell: &mut Shell, which: Builtin, args: &[&str]) -> Flow {
    let status = match args.first() {
        None => shell.status,
        Some(text) => match text.parse::<i64>() {
            Ok(n) => (n & 255) as i32,
            Err(_) => {
                let name = if which == Builtin::Exit { "exit" } else { "return" };
                shell.complain(&format!("{name}: {text}: numeric argument required")).await;
                2
            }
        },
    };
    if which == Builtin::Exit { Flow::Exit(status) } else { Flow::Return(status) }
}

async fn source(shell: &mut Shell, name: &str, args: &[&str]) -> Flow {
    let Some(file) = args.first() else {
        shell.complain(&format!("{name}: filename argument required")).await;
        shell.status = 2;
        return Flow::Normal;
    };
    let text = match shell.p.read_text(file) {
        Ok(text) => text,
        Err(e) => {
            shell.complain(&format!("{file}: {e}")).await;
            shell.status = 1;
            return Flow::Normal;
        }
    };
    if shell.depth > 100 {
        shell.complain(&format!("{file}: sourced too deep")).await;
        shell.status = 1;
        return Flow::Normal;
    }
    shell.depth += 1;
    let before = (args.len() > 1).then(|| {
        std::mem::replace(&mut shell.positional, args[1..].iter().map(|a| (*a).to_owned()).collect())
    });
    let line = shell.line;
    let flow = shell.text(&text).await;
    shell.line = line;
    if let Some(before) = before {
        shell.positional = before;
    }
    shell.depth -= 1;
    match flow {
        Flow::Return(status) => {
            shell.status = status;
            Flow::Normal
        }
        flow => flow,
    }
}

async fn exec(shell: &mut Shell, argv: &[String]) -> Flow {
    simple::program(shell, &argv[1..]).await;
    Flow::Exit(shell.status)
}

async fn command(shell: &mut Shell, argv: &[String]) -> Flow {
    match argv.get(1).map(String::as_str) {
        None => Flow::Normal,
        Some("-v" | "-V") => {
            let names: Vec<&str> = argv[2..].iter().map(String::as_str).collect();
            shell.status = kind(shell, &names, argv[1] == "-v").await;
            Flow::Normal
        }
        Some("-p") => run_named(shell, &argv[2..]).await,
        Some(_) => run_named(shell, &argv[1..]).await,
    }
}

async fn run_named(shell: &mut Shell, argv: &[String]) -> Flow {
    match argv.first().and_then(|n| find(n)) {
        Some(builtin) => run(shell, builtin, argv).await,
        None if argv.is_empty() => Flow::Normal,
        None => simple::program(shell, argv).await,
    }
}

async fn cd(shell: &mut Shell, args: &[&str]) -> i32 {
    let target = match args.iter().find(|a| !matches!(**a, "-L" | "-P" | "--")) {
        None => shell.get("HOME").unwrap_or_else(|| "/".to_owned()),
        Some(&"-") => {
            let old = shell.get("OLDPWD").unwrap_or_default();
            shell.p.print(format!("{old}\n")).await;
            old
        }
        Some(path) => (*path).to_owned(),
    };
    if target.is_empty() {
        return 0;
    }
    match shell.p.chdir(&target) {
        Ok(()) => {
            let old = shell.get("PWD").unwrap_or_default();
            shell.set_unchecked("OLDPWD", old);
            let path = shell.p.cwd_path();
            shell.set_unchecked("PWD", path);
            0
        }
        Err(e) => complain(shell, &format!("cd: {target}: {e}")).await,
    }
}

async fn test(shell: &mut Shell, argv: &[String]) -> i32 {
    let mut args: Vec<&str> = argv[1..].iter().map(String::as_str).collect();
    if argv[0] == "[" && args.pop() != Some("]") {
        shell.complain("[: missing `]'").await;
        return 2;
    }
    match condition::test(&shell.p, &args) {
        Ok(yes) => i32::from(!yes),
        Err(e) => {
            shell.complain(&format!("{}: {e}", argv[0])).await;
            2
        }
    }
}

async fn set(shell: &mut Shell, args: &[&str]) -> i32 {
    if args.is_empty() {
        let shown: Vec<String> =
            shell.variables.keys().filter_map(|n| shell.get(n).map(|t| format!("{n}={t}\n"))).collect();
        shell.p.print(shown.concat()).await;
        return 0;
    }
    let mut rest = args.iter();
    let mut positional: Option<Vec<String>> = None;
    while let Some(arg) = rest.next() {
        let on = arg.starts_with('-');
        match *arg {
            "--" => {
                positional = Some(rest.map(|a| (*a).to_owned()).collect());
                break;
            }
            "-o" | "+o" => match rest.next().copied() {
                Some("pipefail") => shell.options.pipefail = on,
                Some("errexit") => shell.options.errexit = on,
                Some("nounset") => shell.options.nounset = on,
                Some("xtrace") => shell.options.xtrace = on,
                Some("noglob") => shell.options.noglob = on,
                Some("noclobber") => shell.options.noclobber = on,
                Some("posix" | "vi" | "emacs" | "history" | "monitor") | None => {}
                Some(other) => return complain(shell, &format!("set: {other}: invalid option name")).await,
            },
            letters if letters.len() > 1 && (on || letters.starts_with('+')) => {
                for letter in letters[1..].chars() {
                    if !shell.option(letter, on) {
                        shell.complain(&format!("set: {}{letter}: invalid option", &letters[..1])).await;
                        return 2;
                    }
                }
            }
            first => {
                positional = Some(std::iter::once(first).chain(rest.copied()).map(str::to_owned).collect());
                break;
            }
        }
    }
    if let Some(positional) = positional {
        shell.positional = positional;
    }
    0
}

async fn umask(shell: &mut Shell, args: &[&str]) -> i32 {
    match args.first() {
        None => {
            shell.p.print(format!("{:04o}\n", shell.p.umask())).await;
            0
        }
        Some(text) => match u16::from_str_radix(text, 8) {
            Ok(mask) => {
                shell.p.set_umask(mask);
                0
            }
            Err(_) => complain(shell, &format!("umask: {text}: octal number out of range")).await,
        },
    }
}

/// `type` and `command -v`: what a name stands for.
async fn kind(shell: &mut Shell, args: &[&str], short: bool) -> i32 {
    let mut status = 0;
    for name in args.iter().filter(|a| !a.starts_with('-')) {
        let text = if shell.functions.contains_key(*name) {
            if short { (*name).to_owned() } else { format!("{name} is a function") }
        } else if find(name).is_some() {
            if short { (*name).to_owned() } else { format!("{name} is a shell builtin") }
        } else {
            match shell.p.find_program(name) {
                Ok(path) if short => path,
                Ok(path) => format!("{name} is {path}"),
                Err(_) => {
                    status = 1;
                    if !short {
                        shell.complain(&format!("type: {name}: not found")).await;
                    }
                    continue;
                }
            }
        };
        shell.p.print(format!("{text}\n")).await;
    }
    status
}

async fn wait(shell: &mut Shell, args: &[&str]) -> i32 {
    let jobs = std::mem::take(&mut shell.jobs);
    let wanted: Vec<u32> = args.iter().filter_map(|a| a.parse().ok()).collect();
    let mut status = 0;
    for job in jobs {
        if wanted.is_empty() || wanted.contains(&job.process().pid()) {
            let s = job.wait().await;
            status = if wanted.is_empty() { 0 } else { s };
        } else {
            shell.jobs.push(job);
        }
    }
    status
}

async fn kill(shell: &mut Shell, args: &[&str]) -> i32 {
    let mut signal = Signal::Term;
    let mut status = 0;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let named = match arg.strip_prefix('-') {
            Some("s" | "n") => rest.next().copied(),
            Some("l") => {
                let names: Vec<&str> = Signal::ALL.iter().map(|(_, _, n)| *n).collect();
                shell.p.print(format!("{}\n", names.join(" "))).await;
                return 0;
            }
            other => other,
        };
        if let Some(name) = named {
            // Signal 0 only asks whether the process is there.
            if name == "0" {
                continue;
            }
            match Signal::parse(name) {
                Some(s) => signal = s,
                None => return complain(shell, &format!("kill: {name}: invalid signal specification")).await,
            }
            continue;
        }
        let outcome = match arg.parse() {
            Ok(pid) if args.first() == Some(&"-0") => {
                shell.p.host().process(pid).map(|_| ()).ok_or(crate::world::errno::Errno::ESRCH)
            }
            Ok(pid) => shell.p.kill(pid, signal),
            Err(_) => {
                status = complain(shell, &format!("kill: {arg}: arguments must be process or job IDs")).await;
                continue;
            }
        };
        if let Err(e) = outcome {
            status = complain(shell, &format!("kill: ({arg}) - {e}")).await;
        }
    }
    status
}

async fn trap(shell: &mut Shell, args: &[&str]) -> i32 {
    let Some((action, signals)) = args.split_first() else {
        let shown: Vec<String> = shell.traps.iter().map(|(n, t)| format!("trap -- '{t}' {n}\n")).collect();
        shell.p.print(shown.concat()).await;
        return 0;
    };
    for name in signals {
        let name = match *name {
            "0" | "EXIT" => "EXIT",
            other => match Signal::parse(other) {
                Some(s) => Signal::ALL.iter().find(|(x, ..)| *x == s).map_or("", |(_, _, n)| n),
                None => {
                    return complain(shell, &format!("trap: {other}: invalid signal specification")).await;
                }
            },
        };
        if *action == "-" {
            shell.traps.remove(name);
        } else {
            shell.traps.insert(name.to_owned(), (*action).to_owned());
        }
    }
    0
}

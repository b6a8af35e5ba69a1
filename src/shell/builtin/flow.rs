//! Builtins about where to go on: `exit`, `return`, `break`, `continue`, `eval`, `.`, `exec`,
//! `command`, `builtin`.

use super::{Builtin, invalid_option, letters, names, usage};
use crate::shell::run::Flow;
use crate::shell::simple;
use crate::shell::state::{HOP, Shell};
use crate::world::errno::Errno;

pub(super) async fn leave(shell: &mut Shell, which: Builtin, args: &[&str]) -> Flow {
    let name = if which == Builtin::Exit { "exit" } else { "return" };
    if which == Builtin::Return && shell.calls.is_empty() && shell.sourcing == 0 && shell.is_bash() {
        shell.complain("return: can only `return' from a function or sourced script").await;
        shell.status = 2;
        return Flow::Normal;
    }
    let args = if args.first() == Some(&"--") { &args[1..] } else { args };
    let status = match args.first() {
        None => shell.status,
        Some(text) => match text.parse::<i64>() {
            Ok(_) if args.len() > 1 && shell.is_bash() => {
                shell.complain(&format!("{name}: too many arguments")).await;
                shell.status = 1;
                return Flow::Discard;
            }
            Ok(n) => (n & 255) as i32,
            Err(_) => {
                let bash = format!("{name}: {text}: numeric argument required");
                shell.say(&bash, &format!("{name}: Illegal number: {text}")).await;
                if !shell.is_bash() {
                    return Flow::Exit(2);
                }
                2
            }
        },
    };
    if which == Builtin::Exit { Flow::Exit(status) } else { Flow::Return(status) }
}

pub(super) async fn out_of_loops(shell: &mut Shell, which: Builtin, args: &[&str]) -> Flow {
    let name = if which == Builtin::Break { "break" } else { "continue" };
    if shell.loops == 0 {
        if shell.is_bash() {
            let text = format!("{name}: only meaningful in a `for', `while', or `until' loop");
            shell.complain(&text).await;
        }
        shell.status = 0;
        return Flow::Normal;
    }
    let n = match args.first().map(|n| (n, n.parse::<i64>())) {
        None => 1,
        Some((_, Ok(n))) if n > 0 => n as usize,
        Some((text, Ok(_))) => {
            let bash = format!("{name}: {text}: loop count out of range");
            shell.say(&bash, &format!("{name}: Illegal number: {text}")).await;
            shell.status = 1;
            return if shell.is_bash() { Flow::Break(shell.loops) } else { Flow::Exit(2) };
        }
        Some((text, Err(_))) => {
            let bash = format!("{name}: {text}: numeric argument required");
            shell.say(&bash, &format!("{name}: Illegal number: {text}")).await;
            return Flow::Exit(if shell.is_bash() { 128 } else { 2 });
        }
    };
    shell.status = 0;
    let n = n.min(shell.loops);
    if which == Builtin::Break { Flow::Break(n) } else { Flow::Continue(n) }
}

pub(super) async fn eval(shell: &mut Shell, args: &[&str]) -> Flow {
    let args = if args.first() == Some(&"--") { &args[1..] } else { args };
    let text = args.join(" ");
    shell.status = 0;
    let before = (shell.note, shell.line_base, shell.line);
    (shell.note, shell.line_base) = ("eval", shell.line.saturating_sub(1));
    shell.trace_level += 1;
    shell.evaluating += 1;
    let flow = shell.text(&text).await;
    shell.evaluating -= 1;
    shell.trace_level -= 1;
    (shell.note, shell.line_base, shell.line) = before;
    flow
}

pub(super) async fn source(shell: &mut Shell, name: &str, args: &[&str]) -> Flow {
    let args = if args.first() == Some(&"--") { &args[1..] } else { args };
    let Some(file) = args.first() else {
        if !shell.is_bash() {
            return Flow::Normal;
        }
        shell.complain(&format!("{name}: filename argument required")).await;
        shell.status = usage(shell, &format!("{name} filename [arguments]")).await;
        return Flow::Normal;
    };
    let path = if file.contains('/') { None } else { on_path(shell, file) };
    let path = path.unwrap_or_else(|| (*file).to_owned());
    let text = match read(shell, &path).await {
        Ok(text) => text,
        Err(e) => {
            let reason = if e == Errno::ENOENT { "No such file".to_owned() } else { e.to_string() };
            let bash = if e == Errno::EISDIR {
                format!("{name}: {file}: is a directory")
            } else {
                format!("{file}: {e}")
            };
            shell.say(&bash, &format!(".: cannot open {file}: {reason}")).await;
            shell.status = if shell.is_bash() { 1 } else { 2 };
            return if shell.is_bash() { Flow::Normal } else { Flow::Exit(2) };
        }
    };
    let positional = (args.len() > 1 && shell.is_bash()).then(|| {
        std::mem::replace(&mut shell.positional, args[1..].iter().map(|a| (*a).to_owned()).collect())
    });
    let before = (shell.source.clone(), shell.defines_in.clone(), shell.note, shell.line_base, shell.line);
    shell.source = (*file).into();
    shell.defines_in = (*file).into();
    (shell.note, shell.line_base) = ("", 0);
    shell.sourcing += 1;
    shell.evaluating += 1;
    shell.status = 0;
    let flow = if shell.depth % HOP == HOP - 1 {
        shell.apart(async move |inner| inner.text(&text).await).await
    } else {
        shell.text(&text).await
    };
    shell.evaluating -= 1;
    shell.sourcing -= 1;
    (shell.source, shell.defines_in, shell.note, shell.line_base, shell.line) = before;
    if let Some(positional) = positional {
        shell.positional = positional;
    }
    match flow {
        Flow::Return(status) => {
            shell.status = status;
            Flow::Normal
        }
        flow => flow,
    }
}

/// A file that is sourced without a path is looked for along PATH, whether it may be run or not.
fn on_path(shell: &Shell, file: &str) -> Option<String> {
    let path = shell.get("PATH")?;
    let candidates =
        path.split(':').map(|d| if d.is_empty() { file.to_owned() } else { format!("{d}/{file}") });
    candidates.into_iter().find(|full| shell.p.stat(full, true).is_ok_and(|s| s.is_file()))
}

async fn read(shell: &Shell, path: &str) -> Result<String, Errno> {
    if path.starts_with("/dev/") {
        let open = shell.p.open(path, crate::world::fs::OpenFlags::READ, 0)?;
        let all = open.read_to_end(1 << 20).await?;
        return Ok(String::from_utf8_lossy(&all).into_owned());
    }
    shell.p.read_text(path)
}

pub(super) async fn exec(shell: &mut Shell, args: &[&str]) -> Flow {
    let (mut rest, mut name, mut empty) = (args, None, false);
    while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
        let taken = match *option {
            "--" => {
                rest = &rest[1..];
                break;
            }
            "-a" => {
                name = rest.get(1).map(|n| (*n).to_owned());
                2
            }
            "-c" => {
                empty = true;
                1
            }
            "-l" => 1,
            other => {
                let text = "exec [-cl] [-a name] [command [argument ...]] [redirection ...]";
                shell.status = invalid_option(shell, other, text).await;
                return Flow::Normal;
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    let Some(program) = rest.first() else { return Flow::Normal };
    let mut argv: Vec<String> = rest.iter().map(|a| (*a).to_owned()).collect();
    let path = match lookup(shell, program) {
        Ok(path) => path,
        Err(e) => {
            let (text, status) = match e {
                Errno::ENOENT if !program.contains('/') || !shell.is_bash() => {
                    (format!("exec: {program}: not found"), 127)
                }
                // Bash names the file by its whole path.
                e => {
                    let full = match program.starts_with('/') {
                        true => (*program).to_owned(),
                        false => {
                            format!(
                                "{}/{}",
                                shell.get("PWD").unwrap_or_default(),
                                program.trim_start_matches("./")
                            )
                        }
                    };
                    (format!("{full}: {e}"), if e == Errno::ENOENT { 127 } else { 126 })
                }
            };
            shell.complain(&text).await;
            return Flow::Exit(status);
        }
    };
    if empty {
        for v in shell.variables.values_mut() {
            v.exported = false;
        }
    }
    if let Some(name) = name {
        argv[0] = name;
    }
    // The new program knows nothing of the shell's traps.
    shell.traps.retain(|_, command| command.is_empty());
    let status = simple::become_program(shell, &path, &argv).await;
    Flow::Exit(status)
}

fn lookup(shell: &Shell, name: &str) -> Result<String, Errno> {
    if shell.p.var("PATH").as_deref() != shell.get("PATH").as_deref() {
        shell.p.set_var("PATH", shell.get("PATH").as_deref());
    }
    let path = shell.p.find_program(name)?;
    if shell.p.stat(&path, true)?.is_dir() { Err(Errno::EISDIR) } else { Ok(path) }
}

pub(super) async fn command(shell: &mut Shell, argv: &[String]) -> Flow {
    let args: Vec<&str> = argv[1..].iter().map(String::as_str).collect();
    let (found, rest) = match letters(&args, "pvV") {
        Ok(found) => found,
        Err(option) => {
            shell.status = invalid_option(shell, &option, "command [-pVv] command [arg ...]").await;
            return Flow::Normal;
        }
    };
    if found.contains(['v', 'V']) {
        shell.status = names::describe(shell, rest, if found.contains('V') { 'V' } else { 'v' }).await;
        return Flow::Normal;
    }
    let at = argv.len() - rest.len();
    simple::past_functions(shell, &argv[at..]).await
}

pub(super) async fn builtin(shell: &mut Shell, argv: &[String]) -> Flow {
    let Some(name) = argv.get(1) else {
        shell.status = 0;
        return Flow::Normal;
    };
    match super::find(name) {
        Some(which) => super::run(shell, which, &argv[1..]).await,
        None => {
            shell.complain(&format!("builtin: {name}: not a shell builtin")).await;
            shell.status = 1;
            Flow::Normal
        }
    }
}

//! A shell at a terminal (bash(1), "INTERACTIVE SHELLS"): it prompts, reads a line, runs it, and
//! reads on after an error, until the input ends.
//!
//! # Simplifications
//! There is no history expansion (`!!`) and no stopped jobs; `PS1` begins as on Debian,
//! `\u@\h:\w\$ `, without a file that would set it.

use super::dialect::Dialect;
use super::parse::{self, Trouble};
use super::run::Flow;
use super::state::Shell;
use super::{trap, word};
use crate::world::exec::Signal;
use crate::world::process::STDIN;
use crate::world::terminal::Terminal;
use std::rc::Rc;

/// The longest command, in octets.
const LONGEST: usize = 1 << 20;

/// Reads and runs commands until the input ends or one of them ends the shell.
pub async fn run(shell: &mut Shell, terminal: &Rc<Terminal>) -> Flow {
    shell.interactive = true;
    if shell.get("PS1").is_none() {
        shell.set_unchecked("PS1", if shell.is_bash() { "\\u@\\h:\\w\\$ " } else { "$ " });
    }
    if shell.get("PS2").is_none() {
        shell.set_unchecked("PS2", "> ");
    }
    // Ctrl-C is for what runs in the foreground.
    shell.p.catch(&[Signal::Int]);
    loop {
        shell.tell_of_ended_jobs().await;
        let Some(text) = command(shell, terminal).await else { return Flow::Exit(shell.status) };
        shell.line_base = 0;
        match shell.text(&text).await {
            Flow::Exit(status) => return Flow::Exit(status),
            Flow::Discard => shell.status = shell.status.max(1),
            _ => {}
        }
        while shell.p.take_signal().is_some() {}
    }
}

/// A whole command, of as many lines as it takes; `None` at the end of the input.
async fn command(shell: &mut Shell, terminal: &Rc<Terminal>) -> Option<String> {
    let mut text = String::new();
    let mut prompt = "PS1";
    loop {
        if !terminal.is_quiet() {
            let said = expanded(shell, prompt).await;
            shell.p.eprint(said).await;
        }
        let line = shell.p.read_stdin(LONGEST).await;
        if line.is_empty() {
            if text.is_empty() && !terminal.is_quiet() {
                shell.p.eprint("exit\n").await;
            }
            return (!text.is_empty()).then_some(text);
        }
        if shell.p.take_signal() == Some(Signal::Int) {
            text.clear();
            prompt = "PS1";
            continue;
        }
        text.push_str(&String::from_utf8_lossy(&line));
        if text.len() > LONGEST
            || is_whole(&text, shell.dialect, shell.options.shopt("extglob") == Some(true))
        {
            return Some(text);
        }
        prompt = "PS2";
    }
}

/// Is a text a command, or a mistake, as it stands, or does it go on in the next line?
pub fn is_whole(text: &str, dialect: Dialect, extended_globs: bool) -> bool {
    let lines = text.trim_end_matches('\n');
    let backslashes = lines.len() - lines.trim_end_matches('\\').len();
    if backslashes % 2 == 1 {
        return false;
    }
    let script = parse::script(text, dialect, extended_globs);
    let goes_on = matches!(script.trouble, Some(Trouble::End { .. } | Trouble::Unclosed { .. }));
    !goes_on && script.unended.is_none()
}

/// A prompt with what its backslashes and dollars mean (bash(1), "PROMPTING").
async fn expanded(shell: &mut Shell, name: &str) -> String {
    let text = shell.get(name).unwrap_or_default();
    let text = if shell.is_bash() { decoded(shell, &text) } else { text };
    let status = shell.status;
    let said = word::document(shell, &text).await.unwrap_or(text);
    shell.status = status;
    said
}

fn decoded(shell: &Shell, text: &str) -> String {
    let host = shell.p.host().name().clone();
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('u') => out.push_str(&user(shell)),
            Some('h') => out.push_str(host.split('.').next().unwrap_or(&host)),
            Some('H') => out.push_str(&host),
            Some('w') => out.push_str(&below_home(shell)),
            Some('W') => {
                let path = below_home(shell);
                out.push_str(if path == "/" { &path } else { path.rsplit('/').next().unwrap_or(&path) });
            }
            Some('$') => out.push_str(if shell.p.cred().uid == 0 { "#" } else { "\\$" }),
            Some('s') => out.push_str("bash"),
            Some('v') => out.push_str("5.2"),
            Some('n') => out.push('\n'),
            Some('t') => out.push_str(shell.p.now().to_string().split('.').next().unwrap_or_default()),
            // What lies between them is not seen.
            Some('[' | ']') => {}
            Some('e') => out.push('\x1b'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

fn user(shell: &Shell) -> String {
    let (host, uid) = (shell.p.host(), shell.p.cred().uid);
    let (fs, mut users) = (host.fs(), host.users());
    users.getpwuid(&fs, uid).map_or_else(|| uid.to_string(), |u| u.name.clone())
}

/// The working directory, the home directory as `~`.
fn below_home(shell: &Shell) -> String {
    let path = shell.get("PWD").unwrap_or_default();
    let home = shell.get("HOME").filter(|h| h.len() > 1);
    match home.and_then(|h| path.strip_prefix(&h).map(str::to_owned)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
        _ => path,
    }
}

/// The shell's terminal, where it reads its commands from one.
pub fn terminal(shell: &Shell) -> Option<Rc<Terminal>> {
    shell.p.terminal(STDIN)
}

/// Has Ctrl-C been typed, and no trap been set for it? Then the line ends.
pub fn interrupted(shell: &Shell) -> bool {
    if !shell.interactive || shell.traps.contains_key(trap::name(Signal::Int)) {
        return false;
    }
    let mut found = false;
    while let Some(signal) = shell.p.take_signal() {
        found |= signal == Signal::Int;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_go_on_over_lines() {
        for (text, whole) in [
            ("echo a\n", true),
            ("\n", true),
            ("fi\n", true),
            ("for i in a b\n", false),
            ("for i in a b\ndo echo $i; done\n", true),
            ("cat <<E\n", false),
            ("cat <<E\nx\n", false),
            ("cat <<E\nx\nE\n", true),
            ("echo 'a\n", false),
            ("echo \"a\nb\"\n", true),
            ("echo a \\\n", false),
            ("echo a \\\\\n", true),
            ("f() {\n", false),
            ("echo a &&\n", false),
            ("echo $(date\n", false),
        ] {
            assert_eq!(is_whole(text, Dialect::Bash, false), whole, "{text}");
        }
    }
}

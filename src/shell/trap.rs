//! `trap`: what is run at the end, after a failure, and when a signal comes.

use super::interactive;
use super::run::Flow;
use super::state::Shell;
use crate::world::exec::Signal;

/// What a trap can be set for besides signals.
pub const EVENTS: [&str; 4] = ["EXIT", "DEBUG", "ERR", "RETURN"];

/// Runs the EXIT trap, once.
pub async fn at_exit(shell: &mut Shell) {
    if let Some(command) = shell.traps.remove("EXIT") {
        let status = shell.status;
        shell.tested = 0;
        if let Flow::Exit(status) = run(shell, &command).await {
            shell.status = status & 255;
        } else {
            shell.status = status;
        }
    }
}

/// Runs the ERR trap.
pub async fn on_error(shell: &mut Shell) -> Flow {
    if shell.traps.is_empty() || shell.trapping || !shell.calls.is_empty() {
        return Flow::Normal;
    }
    event(shell, "ERR").await
}

/// Runs the trap of an event, if one is set; `$?` is as before.
pub async fn event(shell: &mut Shell, name: &str) -> Flow {
    if shell.traps.is_empty() || shell.trapping {
        return Flow::Normal;
    }
    match shell.traps.get(name).cloned() {
        Some(command) if !command.is_empty() => kept(shell, &command).await,
        _ => Flow::Normal,
    }
}

/// Runs the traps of signals that have come.
pub async fn signals(shell: &mut Shell) -> Option<Flow> {
    if interactive::interrupted(shell) {
        shell.status = 130;
        return Some(Flow::Discard);
    }
    if shell.traps.is_empty() {
        return None;
    }
    while let Some(signal) = shell.p.take_signal() {
        let command = shell.traps.get(name(signal)).cloned().unwrap_or_default();
        if command.is_empty() {
            continue;
        }
        let flow = kept(shell, &command).await;
        if flow != Flow::Normal {
            return Some(flow);
        }
    }
    None
}

async fn kept(shell: &mut Shell, command: &str) -> Flow {
    let status = shell.status;
    let flow = run(shell, command).await;
    shell.status = status;
    flow
}

async fn run(shell: &mut Shell, command: &str) -> Flow {
    let before = (shell.trapping, shell.line, shell.line_base);
    shell.trapping = true;
    shell.line_base = shell.line.saturating_sub(1);
    let flow = Box::pin(shell.text(command)).await;
    (shell.trapping, shell.line, shell.line_base) = before;
    match flow {
        Flow::Exit(_) | Flow::Return(_) => flow,
        _ => Flow::Normal,
    }
}

/// A signal's name without SIG.
pub fn name(signal: Signal) -> &'static str {
    Signal::ALL.iter().find(|(s, ..)| *s == signal).map_or("", |(_, _, n)| n)
}

/// The name under which a trap is kept, for what `trap` is given.
pub fn key(text: &str) -> Option<&'static str> {
    let upper = text.to_ascii_uppercase();
    if upper == "0" {
        return Some("EXIT");
    }
    if let Some(event) = EVENTS.iter().find(|e| **e == upper) {
        return Some(*event);
    }
    Signal::parse(&upper).map(name)
}

/// Tells the world which signals the shell wants to know of.
pub fn watch(shell: &Shell, key: &str, wanted: bool) {
    if let Some(signal) = Signal::parse(key).filter(|s| *s != Signal::Kill) {
        shell.p.uncatch(&[signal]);
        if wanted {
            shell.p.catch(&[signal]);
        }
    }
}

//! Background commands: `&`, `jobs`, `wait`, `%n`.

use super::state::Shell;
use crate::world::exec::Child;

/// A command in the background.
#[derive(Clone)]
pub struct Job {
    /// Its number, as in `%1`.
    pub number: usize,
    /// Its process.
    pub child: Child,
    /// Its text.
    pub text: String,
    /// Has its end been told of?
    pub told: bool,
}

impl Job {
    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.process().pid()
    }
}

impl Shell {
    /// Notes a command that was put in the background.
    pub fn add_job(&mut self, child: Child, text: String) {
        let number = self.jobs.iter().filter(|j| j.child.status().is_none()).map(|j| j.number).max();
        let number = number.unwrap_or(0) + 1;
        self.last_background = Some(child.process().pid());
        self.jobs.push(Job { number, child, text, told: false });
        // A shell remembers the ends of its last children only.
        if self.jobs.len() > 1000 {
            self.jobs.retain(|j| j.child.status().is_none());
        }
    }

    /// The jobs that still run.
    pub fn running(&self) -> Vec<&Job> {
        self.jobs.iter().filter(|j| j.child.status().is_none()).collect()
    }

    /// The job that `%1`, `%%`, `%+`, `%-` or `%text` means.
    pub fn job(&self, spec: &str) -> Option<&Job> {
        let text = spec.strip_prefix('%')?;
        let running = self.running();
        match text {
            "" | "%" | "+" => running.last().copied(),
            "-" => running.len().checked_sub(2).map(|n| running[n]),
            text => match text.parse::<usize>() {
                Ok(n) => self.jobs.iter().rev().find(|j| j.number == n),
                Err(_) => running.into_iter().find(|j| j.text.starts_with(text)),
            },
        }
    }
}

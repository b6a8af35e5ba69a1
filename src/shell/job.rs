//! Background commands: `&`, `jobs`, `wait`, `%n`.

use super::state::Shell;
use crate::world::exec::Child;
use std::fmt::Write;

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

    /// At a terminal: the number of the job that was just begun.
    pub async fn tell_of_new_job(&self) {
        if let Some(job) = self.jobs.last().filter(|_| self.interactive) {
            self.p.eprint(format!("[{}] {}\n", job.number, job.pid())).await;
        }
    }

    /// At a terminal: the jobs that have ended since it was last told.
    pub async fn tell_of_ended_jobs(&mut self) {
        let newest = self.jobs.last().map(|j| j.number);
        let ended = self.jobs.iter_mut().filter(|j| !j.told && j.child.status().is_some());
        let mut said = String::new();
        for job in ended {
            job.told = true;
            let mark = if Some(job.number) == newest { '+' } else { '-' };
            let how = match job.child.status() {
                Some(0) | None => "Done".to_owned(),
                Some(status) => format!("Exit {status}"),
            };
            let _ = writeln!(said, "[{}]{mark}  {how:<22}  {}", job.number, job.text);
        }
        if !said.is_empty() {
            self.p.eprint(said).await;
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

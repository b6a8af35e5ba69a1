//! How often a client used each command, and how often in vain, for the line at its leaving.

use std::fmt::Write;

/// The commands that are counted, in the order in which they are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    Helo,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Bdat,
    Rset,
    Noop,
    Vrfy,
    Etrn,
    Quit,
    Unknown,
}

const NAMES: [&str; 12] =
    ["helo", "ehlo", "mail", "rcpt", "data", "bdat", "rset", "noop", "vrfy", "etrn", "quit", "unknown"];

/// Successes and uses of each.
#[derive(Default)]
pub struct Counts([(u32, u32); NAMES.len()]);

impl Counts {
    /// A command was used.
    pub fn add(&mut self, verb: Verb, success: bool) {
        let (good, all) = &mut self.0[verb as usize];
        *good += u32::from(success);
        *all += 1;
    }

    /// ` ehlo=1 rcpt=1/2 commands=2/3`
    pub fn text(&self) -> String {
        let mut out = String::new();
        let (mut good, mut all) = (0, 0);
        for (name, (g, a)) in NAMES.iter().zip(self.0).filter(|(_, (_, a))| *a > 0) {
            push(&mut out, name, g, a);
            good += g;
            all += a;
        }
        push(&mut out, "commands", good, all);
        out
    }
}

fn push(out: &mut String, name: &str, good: u32, all: u32) {
    let _ = write!(out, " {name}={good}");
    if good != all {
        let _ = write!(out, "/{all}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_show_as_a_part_of_all() {
        let mut counts = Counts::default();
        counts.add(Verb::Helo, true);
        counts.add(Verb::Rcpt, true);
        counts.add(Verb::Rcpt, false);
        assert_eq!(counts.text(), " helo=1 rcpt=1/2 commands=2/3");
        assert_eq!(Counts::default().text(), " commands=0");
    }
}

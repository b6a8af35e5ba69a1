//! How often a client used each command, and how often in vain, for the line at its leaving.

use std::fmt::Write;

/// The commands that are counted, in the order in which they are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    Helo,
    Ehlo,
    Xclient,
    Xforward,
    Starttls,
    Auth,
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

const NAMES: [(&str, Verb); 16] = [
    ("helo", Verb::Helo),
    ("ehlo", Verb::Ehlo),
    ("xclient", Verb::Xclient),
    ("xforward", Verb::Xforward),
    ("starttls", Verb::Starttls),
    ("auth", Verb::Auth),
    ("mail", Verb::Mail),
    ("rcpt", Verb::Rcpt),
    ("data", Verb::Data),
    ("bdat", Verb::Bdat),
    ("rset", Verb::Rset),
    ("noop", Verb::Noop),
    ("vrfy", Verb::Vrfy),
    ("etrn", Verb::Etrn),
    ("quit", Verb::Quit),
    ("unknown", Verb::Unknown),
];

impl Verb {
    /// The command of this name, in any case.
    pub fn named(name: &str) -> Verb {
        let known = |n: &&(&str, Verb)| n.1 != Verb::Unknown && n.0.eq_ignore_ascii_case(name);
        NAMES.iter().find(known).map_or(Verb::Unknown, |n| n.1)
    }

    /// Its name in the log.
    pub const fn text(self) -> &'static str {
        match self {
            Verb::Helo => "HELO",
            Verb::Ehlo => "EHLO",
            Verb::Xclient => "XCLIENT",
            Verb::Xforward => "XFORWARD",
            Verb::Starttls => "STARTTLS",
            Verb::Auth => "AUTH",
            Verb::Mail => "MAIL",
            Verb::Rcpt => "RCPT",
            Verb::Data => "DATA",
            Verb::Bdat => "BDAT",
            Verb::Rset => "RSET",
            Verb::Noop => "NOOP",
            Verb::Vrfy => "VRFY",
            Verb::Etrn => "ETRN",
            Verb::Quit => "QUIT",
            Verb::Unknown => "UNKNOWN",
        }
    }

    /// Does it count as junk, of which a client may send only so much (`smtpd_junk_command_limit`)?
    pub const fn is_junk(self) -> bool {
        matches!(self, Verb::Helo | Verb::Ehlo | Verb::Rset | Verb::Noop | Verb::Vrfy | Verb::Etrn)
    }

    /// Must a client wait for the answer before it says more (RFC 2920, section 3.1)?
    pub const fn ends_group(self) -> bool {
        matches!(self, Verb::Helo | Verb::Ehlo | Verb::Data | Verb::Noop | Verb::Vrfy)
    }

    /// May it be used before STARTTLS where TLS is required?
    pub const fn before_tls(self) -> bool {
        matches!(self, Verb::Helo | Verb::Ehlo | Verb::Xclient | Verb::Starttls | Verb::Noop | Verb::Quit)
    }
}

/// Successes and uses of each.
#[derive(Default)]
pub struct Counts([(u32, u32); NAMES.len()]);

impl Counts {
    /// A command was used.
    pub fn used(&mut self, verb: Verb) {
        self.0[verb as usize].1 += 1;
    }

    /// It succeeded.
    pub fn succeeded(&mut self, verb: Verb) {
        self.0[verb as usize].0 += 1;
    }

    /// ` ehlo=1 rcpt=1/2 commands=2/3`
    pub fn text(&self) -> String {
        let mut out = String::new();
        let (mut good, mut all) = (0, 0);
        for ((name, _), (g, a)) in NAMES.iter().zip(self.0).filter(|(_, (_, a))| *a > 0) {
            push(&mut out, name, g, a);
            good += g;
            all += a;
        }
        push(&mut out, "commands", good, all);
        if all == 0 {
            out.push_str("/0");
        }
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
        for verb in [Verb::Helo, Verb::Rcpt, Verb::Rcpt] {
            counts.used(verb);
        }
        counts.succeeded(Verb::Helo);
        counts.succeeded(Verb::Rcpt);
        assert_eq!(counts.text(), " helo=1 rcpt=1/2 commands=2/3");
        assert_eq!(Counts::default().text(), " commands=0/0");
        assert_eq!(Verb::named("rCpT"), Verb::Rcpt);
        assert_eq!(Verb::named("unknown"), Verb::Unknown);
    }
}

//! The texts of notifications (bounce(5)): built in, or from `bounce_template_file`.
//!
//! ```text
//! failure_template = <<EOF
//! Charset: us-ascii
//! From: Mail Delivery System <MAILER-DAEMON>
//! Subject: Undelivered Mail Returned to Sender
//! Postmaster-Subject: Postmaster Copy: Undelivered Mail
//!
//! This is the mail system at host $myhostname.
//! EOF
//! ```
//!
//! In the text, `$name` is a parameter; of times, `$name_hours` and its kin are the time in that unit.

use crate::postfix::config::Config;
use crate::postfix::config::expand::{self, Names};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};

/// The built-in texts, in the form of the file.
const BUILT_IN: &str = include_str!("templates.txt");

/// Where they come from, for messages.
const ORIGIN: &str = "[built-in]";

/// Which notification a text is for, in the order in which postconf lists them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// It could not be delivered.
    Failure,
    /// It has not been delivered yet.
    Delay,
    /// It was delivered.
    Success,
    /// What `sendmail -v` and `-bv` found.
    Verify,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 4] = [Class::Failure, Class::Delay, Class::Success, Class::Verify];

    /// `failure` in `failure_template`.
    pub fn name(self) -> &'static str {
        match self {
            Class::Failure => "failure",
            Class::Delay => "delay",
            Class::Success => "success",
            Class::Verify => "verify",
        }
    }
}

/// The text of one kind of notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The file it comes from.
    origin: String,
    /// The character set of the text.
    pub charset: String,
    /// `From:`, not completed.
    pub from: String,
    /// `Subject:` for the sender.
    pub subject: String,
    /// `Subject:` for the postmaster.
    pub postmaster_subject: Option<String>,
    /// The text, with names to be filled in; lines ended by LF.
    body: String,
}

/// The texts of all kinds.
#[derive(Clone, Debug)]
pub struct Templates(Vec<(Class, Template)>);

impl Templates {
    /// Those of a file, and the built-in ones where it has none; with warnings about it.
    pub fn read(file: Option<(&str, &str)>) -> (Templates, Vec<String>) {
        let (mut all, mut warnings) = (Vec::new(), Vec::new());
        parse(BUILT_IN, ORIGIN, &mut all, &mut warnings);
        if let Some((path, text)) = file {
            parse(text, path, &mut all, &mut warnings);
        }
        (Templates(all), warnings)
    }

    /// The text for a kind of notification.
    pub fn of(&self, class: Class) -> &Template {
        // The built-in ones are there, each once; a file's replaces them.
        let found = self.0.iter().rev().find(|(c, _)| *c == class);
        &found.unwrap_or(&self.0[0]).1
    }

    /// All of them, as `postconf -t` prints them.
    pub fn show(&self) -> String {
        let texts = Class::ALL.map(|class| {
            let t = self.of(class);
            let postmaster = t
                .postmaster_subject
                .as_ref()
                .map_or_else(String::new, |s| format!("Postmaster-Subject: {s}\n"));
            format!(
                "{}_template = <<EOF\nCharset: {}\nFrom: {}\nSubject: {}\n{postmaster}\n{}EOF\n",
                class.name(),
                t.charset,
                t.from,
                t.subject,
                t.body
            )
        });
        texts.join("\n")
    }

    /// All of them filled in, as `postconf -b` prints them; with warnings.
    ///
    /// # Errors
    /// That of [`Template::text`], with the warnings before it.
    pub fn show_filled(&self, config: &Config) -> (Result<String, String>, Vec<String>) {
        let (mut warnings, mut texts) = (Vec::new(), Vec::new());
        for class in Class::ALL {
            let (text, mut more) = self.of(class).text(class, config);
            warnings.append(&mut more);
            match text {
                Ok(text) => texts.push(format!("expanded_{}_text = <<EOF\n{text}EOF\n", class.name())),
                Err(e) => return (Err(e), warnings),
            }
        }
        (Ok(texts.join("\n")), warnings)
    }
}

impl Template {
    /// The text with everything filled in, or the line with a name that nothing stands for; and
    /// warnings about times that are no good in their unit.
    pub fn text(&self, class: Class, config: &Config) -> (Result<String, String>, Vec<String>) {
        let class = class.name();
        let values = Values { config, odd: RefCell::default(), undefined: Cell::new(false) };
        let mut text = String::with_capacity(self.body.len());
        let mut failed = None;
        for line in self.body.lines() {
            match expand::expand(line, &values) {
                Ok(line) if !values.undefined.get() => text.push_str(&line),
                _ => {
                    failed = Some(format!("{}: undefined $name in {class} template: {line}", self.origin));
                    break;
                }
            }
            text.push('\n');
        }
        let mut warnings = Vec::new();
        for (name, result) in values.odd.into_inner() {
            let unit = name.rsplit('_').next().unwrap_or_default();
            let (what, remedy) = match result {
                0 => ("zero result".to_owned(), "reduce"),
                n => (format!("excessive result \"{n}\""), "increase"),
            };
            let place = format!("{class} template conversion of parameter \"{name}\"");
            warnings.push(format!("{}: {what} in {place}", self.origin));
            warnings.push(format!("please {remedy} time unit \"{unit}\" of \"{name}\" in {class} template"));
            warnings.push("for instructions see the bounce(5) manual".to_owned());
        }
        (failed.map_or(Ok(text), Err), warnings)
    }
}

/// The times that may be told in a unit.
const TIMES: [&str; 3] = ["delay_warning_time", "maximal_queue_lifetime", "bounce_queue_lifetime"];

/// The units, in seconds.
const UNITS: [(&str, u64); 5] =
    [("seconds", 1), ("minutes", 60), ("hours", 3600), ("days", 86_400), ("weeks", 604_800)];

/// Parameters, and times in a unit.
struct Values<'c> {
    config: &'c Config,
    /// Times that are less than one of their unit, or very many, with the number.
    odd: RefCell<Vec<(String, u64)>>,
    /// Was there a name that nothing stands for?
    undefined: Cell<bool>,
}

/// More of a unit than anybody likes to read.
const TOO_MANY: u64 = 1000;

impl Names for Values<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let in_unit = name.rsplit_once('_').filter(|(time, _)| TIMES.contains(time));
        let Some((time, unit)) = in_unit else {
            let value = self.config.raw(name).map(|_| self.config.string(name).to_string().into());
            self.undefined.set(self.undefined.get() || value.is_none());
            return value;
        };
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let seconds = self.config.seconds(time).ok()?.as_secs();
        if seconds > 0 && (seconds / unit == 0 || seconds / unit >= TOO_MANY) {
            self.odd.borrow_mut().push((name.to_owned(), seconds / unit));
        }
        Some((seconds / unit).to_string().into())
    }

    fn expand_again(&self) -> bool {
        false
    }
}

fn parse(text: &str, origin: &str, all: &mut Vec<(Class, Template)>, warnings: &mut Vec<String>) {
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let head = line.split_once('=').map(|(name, rest)| (name.trim(), rest.trim()));
        let Some((name, end)) = head.and_then(|(name, rest)| Some((name, rest.strip_prefix("<<")?.trim())))
        else {
            warnings.push(format!("{origin}: bad template syntax: \"{line}\""));
            continue;
        };
        let inside: Vec<&str> = lines.by_ref().take_while(|l| l.trim_end() != end).collect();
        let Some(class) = Class::ALL.into_iter().find(|c| name == format!("{}_template", c.name())) else {
            warnings.push(format!("{origin}: unknown template name: {name}"));
            continue;
        };
        match template(&inside, origin) {
            Ok(template) => all.push((class, template)),
            Err(why) => warnings.push(format!("{origin}: {why} in {} template", class.name())),
        }
    }
}

fn template(lines: &[&str], origin: &str) -> Result<Template, String> {
    let mut t = Template { origin: origin.to_owned(), charset: "us-ascii".to_owned(), ..Template::default() };
    t.from = "Mail Delivery System <MAILER-DAEMON>".to_owned();
    t.subject = "Delivery report".to_owned();
    let mut rest = lines;
    while let [line, after @ ..] = rest {
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
        let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) else { break };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "charset" => t.charset = value,
            "from" => t.from = value,
            "subject" => t.subject = value,
            "postmaster-subject" => t.postmaster_subject = Some(value),
            _ => return Err(format!("unknown header \"{name}\"")),
        }
        rest = after;
    }
    // An empty line ends the header, if there is one.
    let body = rest.strip_prefix(&[""]).unwrap_or(rest);
    t.body = body.iter().map(|l| format!("{l}\n")).collect();
    Ok(t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postfix::config::HostFacts;

    #[test]
    fn a_file_replaces_what_it_has() {
        let file = "# mine\nfailure_template = <<END\nSubject: no\n\n$myhostname after \
                    ${delay_warning_time_hours} h\nEND\n";
        let (templates, warnings) = Templates::read(Some(("/x", file)));
        assert!(warnings.is_empty(), "{warnings:?}");
        let facts = HostFacts { hostname: "vm".into(), addresses: vec![] };
        let config =
            Config::parse("myhostname=vm.example\ndelay_warning_time=1m\n", "c", &facts, &[]).unwrap();
        let t = templates.of(Class::Failure);
        let (text, warnings) = t.text(Class::Failure, &config);
        assert_eq!((t.subject.as_str(), text.as_deref()), ("no", Ok("vm.example after 0 h\n")));
        assert_eq!(
            warnings[0],
            "/x: zero result in failure template conversion of parameter \"delay_warning_time_hours\""
        );
        assert_eq!(templates.of(Class::Verify).subject, "Mail Delivery Status Report");
    }
}

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
#[derive(Clone, Default, Debug)]
pub struct Templates {
    all: Vec<(Class, Template)>,
    /// Why templates of the file are not used; told when one of their kind is needed.
    objections: RefCell<Vec<(Class, String)>>,
}

impl Templates {
    /// Those of a file, and the built-in ones where it has none; with warnings about it.
    ///
    /// # Errors
    /// A file that cannot be read to its end.
    pub fn read(file: Option<(&str, &str)>) -> Result<(Templates, Vec<String>), String> {
        let (mut templates, mut warnings) = (Templates::default(), Vec::new());
        templates.parse(BUILT_IN, ORIGIN, &mut warnings)?;
        if let Some((path, text)) = file {
            templates.parse(text, path, &mut warnings)?;
        }
        Ok((templates, warnings))
    }

    /// Those that are built in.
    pub fn built_in() -> Templates {
        Templates::read(None).expect("the built-in texts are whole").0
    }

    /// The text for a kind of notification.
    pub fn of(&self, class: Class) -> &Template {
        // The built-in ones are there, each once; a file's replaces them.
        let found = self.all.iter().rev().find(|(c, _)| *c == class);
        &found.unwrap_or(&self.all[0]).1
    }

    /// What there is to say of the file's templates of a kind, the first time it is asked.
    pub fn objections(&self, class: Class) -> Vec<String> {
        let mut all = self.objections.borrow_mut();
        all.extract_if(.., |(c, _)| *c == class).map(|(_, text)| text).collect()
    }

    /// Reads the templates of a text: `NAME_template = TEXT`, or `<<END` and lines up to `END`. A template
    /// that is no good is left out, with a warning.
    ///
    /// # Errors
    /// An entry that cannot be read.
    fn parse(&mut self, text: &str, origin: &str, warnings: &mut Vec<String>) -> Result<(), String> {
        // Places are told as the number of the line behind.
        let mut lines = text.lines().zip(2..);
        while let Some((line, mut at)) = lines.next() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                return Err(format!("{origin}, line {at}: missing '=' after attribute name: \"{line}\""));
            };
            let (name, value) = (name.trim(), value.trim());
            let mut inside = Vec::new();
            match value.strip_prefix("<<").map(str::trim) {
                None => inside.push(value),
                Some("") => return Err(format!("{origin}, line {at}: missing end marker after <<")),
                Some(end) => {
                    let mut ended = false;
                    for (line, number) in lines.by_ref() {
                        at = number;
                        ended = line.trim_end() == end;
                        if ended {
                            break;
                        }
                        inside.push(line);
                    }
                    if !ended {
                        warnings.push(format!("{origin}, line {at}: missing \"{end}\" end marker"));
                    }
                }
            }
            let Some(class) = Class::ALL.into_iter().find(|c| name == format!("{}_template", c.name()))
            else {
                let what = format!("unknown template name: {name} -- ignoring this template");
                warnings.push(format!("{origin}, line {at}: {what}"));
                continue;
            };
            let built_in = self.all.iter().find(|(c, _)| *c == class).map(|(_, t)| t.clone());
            match template(&inside, origin, built_in.unwrap_or_default()) {
                Ok(template) => self.all.push((class, template)),
                Err(why) => {
                    let text =
                        format!("{origin}: {why} in {} template -- ignoring this template", class.name());
                    self.objections.get_mut().push((class, text));
                }
            }
        }
        Ok(())
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
            warnings.append(&mut self.objections(class));
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

/// One template; what it does not say is as in `built_in`.
fn template(lines: &[&str], origin: &str, built_in: Template) -> Result<Template, String> {
    let mut t = Template { origin: origin.to_owned(), charset: "us-ascii".to_owned(), ..built_in };
    let mut rest = lines;
    while let [line, after @ ..] = rest {
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
        let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) else { break };
        let value = value.trim();
        let slot = match name.to_ascii_lowercase().as_str() {
            "charset" => &mut t.charset,
            "from" => &mut t.from,
            "subject" => &mut t.subject,
            "postmaster-subject" => t.postmaster_subject.insert(String::new()),
            _ => return Err(format!("unknown \"{name}\" header label")),
        };
        if value.is_empty() {
            return Err(format!("empty \"{name}\" header value"));
        }
        if !value.is_ascii() {
            return Err(format!("non-ASCII \"{name}\" header value"));
        }
        *slot = value.to_owned();
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
        let (templates, warnings) = Templates::read(Some(("/x", file))).unwrap();
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

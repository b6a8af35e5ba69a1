//! The configuration of a Postfix host: main.cf read and understood, with every parameter of
//! Postfix 3.7.11 and its default; and master.cf.
//!
//! - [`parameters`]: the table of all parameters
//! - [`main_cf`]: the language of main.cf, from text to settings
//! - [`expand`]: `$name` and its kin
//! - [`level`]: compatibility levels
//! - [`typed`]: numbers, times and booleans, and what is wrong with a bad one
//! - [`host`]: what the host itself determines (myhostname, mydomain, mynetworks)
//! - [`checks`]: what every program checks when it starts
//! - [`effect`]: which parameters do something in the lab
//! - [`master_cf`]: the table of services
//!
//! A [`Config`] is cheap to make (the table of defaults is shared by all) and to clone. A value
//! is expanded when it is first asked for, and kept.
//!
//! # Simplifications
//! A program that meets a value it cannot expand ends in life. Here [`Config::string`] gives the
//! value as it was written; whoever must end asks [`Config::check_global`] first or calls
//! [`Config::try_string`]. The real program reads main.cf again if it is younger than a second,
//! and so repeats its warnings; here they come once.

pub mod checks;
pub mod effect;
pub mod expand;
pub mod host;
pub mod level;
pub mod main_cf;
pub mod master_cf;
pub mod parameters;
pub mod typed;

pub use crate::trace::Place;
pub use host::HostFacts;
use level::Level;
use parameters::{Kind, Parameter};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// Why a program cannot go on with its configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigError {
    /// What it warns of first.
    pub warnings: Vec<String>,
    /// What it says after `fatal: `.
    pub fatal: String,
}

impl ConfigError {
    /// An error without warnings.
    pub fn new(fatal: impl Into<String>) -> ConfigError {
        ConfigError { warnings: Vec::new(), fatal: fatal.into() }
    }

    /// An error that a warning explains.
    pub fn warned(warning: impl Into<String>, fatal: impl Into<String>) -> ConfigError {
        ConfigError { warnings: vec![warning.into()], fatal: fatal.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fatal)
    }
}

impl std::error::Error for ConfigError {}

/// A setting that someone made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// The value as written.
    pub value: Rc<str>,
    /// Where it was made.
    pub place: Place,
}

/// The configuration as one program sees it.
#[derive(Clone, Debug)]
pub struct Config {
    path: Rc<str>,
    /// What main.cf and `-o` set, by name.
    set: Rc<BTreeMap<Rc<str>, Setting>>,
    facts: Rc<HostFacts>,
    warnings: Rc<[String]>,
    expanded: RefCell<BTreeMap<Rc<str>, Rc<str>>>,
}

impl Config {
    /// Reads main.cf, the text of the file `path`. `overrides` are those of `-o`, as (name, value).
    ///
    /// # Errors
    /// What the real program ends with if a line is no setting.
    pub fn parse(
        text: &str,
        path: &str,
        facts: &HostFacts,
        overrides: &[(Rc<str>, Rc<str>)],
    ) -> Result<Config, ConfigError> {
        let path: Rc<str> = path.into();
        let parsed = main_cf::parse(text, &path).map_err(ConfigError::new)?;
        let mut warnings = parsed.warnings;
        let mut set: BTreeMap<Rc<str>, Setting> = BTreeMap::new();
        for entry in parsed.entries {
            let place = Place::File { path: path.clone(), line: entry.line };
            let value: Rc<str> = entry.value.into();
            let setting = Setting { value: value.clone(), place };
            // Of one that says the same again, nothing is said.
            if let Some(earlier) = set.insert(entry.name.as_str().into(), setting)
                && earlier.value != value
            {
                warnings.push(format!(
                    "{path}, line {}: overriding earlier entry: {}={}",
                    entry.line, entry.name, earlier.value
                ));
            }
        }
        let config = Config {
            path,
            set: Rc::new(set),
            facts: Rc::new(facts.clone()),
            warnings: warnings.into(),
            expanded: RefCell::default(),
        };
        Ok(if overrides.is_empty() { config } else { config.with(overrides) })
    }

    /// The same configuration with more overrides, as `-o name=value` makes them.
    #[must_use]
    pub fn with(&self, overrides: &[(Rc<str>, Rc<str>)]) -> Config {
        let mut set = (*self.set).clone();
        for (name, value) in overrides {
            let place = Place::Option(format!("-o {name}={value}").into());
            set.insert(name.clone(), Setting { value: value.clone(), place });
        }
        Config { set: Rc::new(set), expanded: RefCell::default(), ..self.clone() }
    }

    /// The configuration of the same host with an empty main.cf at `path`.
    pub fn without_settings(&self, path: &str) -> Config {
        Config {
            path: path.into(),
            set: Rc::default(),
            facts: self.facts.clone(),
            warnings: Rc::from([]),
            expanded: RefCell::default(),
        }
    }

    /// The path of main.cf.
    pub fn path(&self) -> &Rc<str> {
        &self.path
    }

    /// What every program warns of when it reads the file.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The settings that someone made, sorted by name.
    pub fn settings(&self) -> impl Iterator<Item = (&Rc<str>, &Setting)> {
        self.set.iter()
    }

    /// The setting someone made of this name.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.set.get(name)
    }

    /// Where a parameter was set.
    pub fn place(&self, name: &str) -> Place {
        self.set.get(name).map_or(Place::Default, |s| s.place.clone())
    }

    /// The value of a parameter before `$name` is filled in; `None` if it is neither set nor known.
    pub fn raw(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.set.get(name) {
            Some(setting) => Some(Cow::Borrowed(&setting.value)),
            None => self.default_of(name),
        }
    }

    /// The default of a parameter, not filled in; `None` if it is not known.
    pub fn default_of(&self, name: &str) -> Option<Cow<'_, str>> {
        match parameters::find(name) {
            Some(Parameter { kind: Kind::Computed, .. }) => Some(Cow::Owned(self.computed(name))),
            Some(p) if name == "config_directory" => {
                let directory = self.path.rsplit_once('/').map_or(p.default, |(directory, _)| directory);
                Some(Cow::Owned(directory.to_string()))
            }
            Some(p) => Some(Cow::Borrowed(p.default)),
            None => parameters::of_service(name).map(|(default, _)| Cow::Borrowed(default)),
        }
    }

    /// The value of a parameter with `$name` filled in; nothing if it is neither set nor known.
    pub fn string(&self, name: &str) -> Rc<str> {
        self.try_string(name).unwrap_or_else(|_| self.raw(name).unwrap_or_default().into())
    }

    /// The value of a parameter with `$name` filled in.
    ///
    /// # Errors
    /// A value that cannot be expanded.
    pub fn try_string(&self, name: &str) -> Result<Rc<str>, ConfigError> {
        if let Some(value) = self.expanded.borrow().get(name) {
            return Ok(value.clone());
        }
        let value: Rc<str> = match self.set.get(name) {
            Some(setting) if !setting.value.contains('$') => setting.value.clone(),
            _ => match self.raw(name) {
                Some(raw) => self.expand(&raw)?.into(),
                None => "".into(),
            },
        };
        self.expanded.borrow_mut().insert(name.into(), value.clone());
        Ok(value)
    }

    /// Fills in `$name` in a text with the parameters' values.
    ///
    /// # Errors
    /// A text that cannot be expanded.
    pub fn expand(&self, text: &str) -> Result<String, ConfigError> {
        expand::expand(text, self).map_err(|e| match e {
            expand::ExpandError::Syntax(warning) => {
                ConfigError::warned(warning, "dictionary mail_dict: macro processing error")
            }
            expand::ExpandError::Fatal(text) => ConfigError::new(text),
        })
    }

    /// A parameter that is a list: its words, which stand between blanks or commas; what is in
    /// braces is one word.
    pub fn list(&self, name: &str) -> Vec<Rc<str>> {
        typed::words(&self.string(name)).into_iter().map(Rc::from).collect()
    }

    /// The compatibility level; 0 if it makes no sense.
    pub fn level(&self) -> Level {
        Level::parse(&self.string("compatibility_level")).unwrap_or_default()
    }

    /// Whether a parameter has the default of an older Postfix because compatibility_level asks
    /// for it and nobody set the parameter: then programs log when that made a difference.
    pub fn has_old_default(&self, name: &str) -> bool {
        let since = match name {
            "append_dot_mydomain" | "smtputf8_enable" | "smtpd_relay_restrictions" => Level(1, 0, 0),
            "relay_domains" | "mynetworks_style" => Level(2, 0, 0),
            "smtpd_relay_before_recipient_restrictions"
            | "respectful_logging"
            | "smtp_tls_fingerprint_digest"
            | "smtpd_tls_fingerprint_digest"
            | "lmtp_tls_fingerprint_digest" => Level(3, 6, 0),
            _ => return false,
        };
        !self.set.contains_key(name) && self.level() < since
    }

    fn computed(&self, name: &str) -> String {
        match name {
            "myhostname" => self.facts.myhostname(self.set.get("mydomain").map(|s| &*s.value)),
            "mydomain" => {
                let myhostname = self.string("myhostname");
                myhostname.split_once('.').map_or("localdomain", |(_, domain)| domain).to_string()
            }
            _ => self.mynetworks_default().unwrap_or_default(),
        }
    }

    /// The default of mynetworks, or what is wrong with the settings that determine it.
    pub(crate) fn mynetworks_default(&self) -> Result<String, String> {
        let style = self.string("mynetworks_style");
        if typed::words(&style).len() > 1 {
            return Err(format!("bad mynetworks_style value: {style}; specify exactly one value"));
        }
        self.facts.mynetworks(&style, &self.string("inet_interfaces"), &self.string("inet_protocols"))
    }
}

impl expand::Names for Config {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> HostFacts {
        HostFacts { hostname: "mail.example.com".into(), addresses: vec!["192.0.2.25".parse().unwrap()] }
    }

    fn config(text: &str) -> Config {
        Config::parse(text, "/etc/postfix/main.cf", &facts(), &[]).unwrap()
    }

    #[test]
    fn what_the_recorded_main_cf_means() {
        let c = config(
            "# Mail for Example & Sons\ncompatibility_level = 3.6\nmyhostname = mail.example.com\n\
             mydestination = $myhostname,\n    localhost,\n# not forgetting the domain\n    $mydomain\n\
             colour = blue\nshade =\n\
             smtpd_banner = $myhostname ESMTP ${colour?coloured }${shade:unshaded }$(colour)ish\n\
             mail_name = ${{$colour} == {blue} ? {Blue} : {Other}} Mail\n\
             mailbox_size_limit = 0\nmailbox_size_limit = 51200000\n",
        );
        assert_eq!(&*c.string("smtpd_banner"), "mail.example.com ESMTP coloured unshaded blueish");
        assert_eq!(&*c.string("mail_name"), "Blue Mail");
        assert_eq!(c.list("mydestination").join(" "), "mail.example.com localhost example.com");
        assert_eq!(
            c.warnings(),
            ["/etc/postfix/main.cf, line 13: overriding earlier entry: mailbox_size_limit=0"]
        );
        assert_eq!(c.place("mydestination").to_string(), "main.cf:4");
        assert_eq!(c.place("relayhost"), Place::Default);
    }

    #[test]
    fn defaults_follow_the_host_and_the_level() {
        let c = config("compatibility_level = 3.6\n");
        assert_eq!(&*c.string("mynetworks"), "127.0.0.1/32 192.0.2.25/32 [::1]/128");
        assert_eq!(&*c.string("relay_domains"), "");
        assert!(!c.has_old_default("relay_domains"));
        let old = config("");
        assert_eq!(&*old.string("mynetworks"), "127.0.0.0/8 192.0.2.0/24 [::1]/128");
        assert_eq!(&*old.string("relay_domains"), "mail.example.com, localhost.example.com, localhost");
        assert!(old.has_old_default("relay_domains"));
        let c = config("myhostname = a.b.c\n");
        assert_eq!(&*c.string("mydomain"), "b.c");
        assert_eq!(&*config("myhostname = single\n").string("mydomain"), "localdomain");
    }

    #[test]
    fn overrides_are_the_last_word() {
        let c = config("relayhost = a\n");
        let o = c.with(&[("relayhost".into(), "b".into()), ("service_name".into(), "relay".into())]);
        assert_eq!((&*c.string("relayhost"), &*o.string("relayhost")), ("a", "b"));
        assert_eq!(o.place("relayhost"), Place::Option("-o relayhost=b".into()));
        assert_eq!(o.expand("postfix/$service_name").unwrap(), "postfix/relay");
    }

    #[test]
    fn a_transport_has_its_own_limits() {
        let c = config("default_destination_concurrency_limit = 7\nsmtp_destination_rate_delay = 2m\n");
        assert_eq!(c.int("relay_destination_concurrency_limit"), Ok(7));
        assert_eq!(c.int("local_destination_concurrency_limit"), Ok(2));
        assert_eq!(c.seconds("smtp_destination_rate_delay").unwrap().as_secs(), 120);
    }

    #[test]
    fn a_value_that_cannot_be_expanded() {
        let error = config("myorigin = ${x\n").try_string("myorigin").unwrap_err();
        assert_eq!(error.warnings, ["truncated macro reference: \"${x\""]);
        assert_eq!(error.fatal, "dictionary mail_dict: macro processing error");
    }
}

//! Parameters as postconf prints them, and what it says about main.cf and master.cf.

use crate::postfix::config::expand::{self, ExpandError, Names};
use crate::postfix::config::main_cf::is_blank;
use crate::postfix::config::master_cf::{self, Entry};
use crate::postfix::config::parameters::{self, OF_COMMAND_SERVICE, OF_TRANSPORT};
use crate::postfix::config::typed::{self, word_end};
use crate::postfix::config::{Config, ConfigError, Place, host};
use crate::world::errno::Errno;
use crate::world::process::Process;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Where lines are folded with `-f`.
const LINE_LIMIT: usize = 80;

/// How to print.
#[derive(Clone, Default, Debug)]
pub struct Look {
    /// `-f`: long lines are folded.
    pub fold: bool,
    /// `-h`: values alone.
    pub no_name: bool,
    /// `-H`: names alone.
    pub no_value: bool,
    /// `-x`: `$name` is filled in.
    pub expand: bool,
    /// `-n`: only what main.cf sets.
    pub set_only: bool,
    /// `-C`: only one class, `builtin`, `service`, `user` or `all`.
    pub class: Option<String>,
}

/// What is known when something is to be printed.
pub struct Shown {
    /// The configuration, or that of a host without settings for `-d`.
    pub config: Config,
    /// The services.
    pub services: Vec<Entry>,
    /// Parameters that carry a service's name, with their defaults.
    of_services: BTreeMap<String, &'static str>,
    /// Names of the user's own that something refers to, and restriction classes.
    of_user: BTreeSet<Rc<str>>,
    /// Warnings that come before everything.
    pub before: Vec<String>,
    defaults_only: bool,
    main_cf: String,
    master_cf: String,
    pid: u32,
}

impl Shown {
    /// Reads the files.
    ///
    /// # Errors
    /// Those after which the command ends.
    pub fn read(
        p: &Process,
        main_cf: &str,
        master_cf: &str,
        overrides: &[(Rc<str>, Rc<str>)],
        defaults_only: bool,
        needs_services: bool,
    ) -> Result<Shown, ConfigError> {
        let mut config = crate::postfix::config_at(p, main_cf, overrides)?;
        let mut before = Vec::new();
        let services = match p.read_text(master_cf) {
            Ok(text) => master_cf::parse(&text, master_cf).map_err(|e| ConfigError::new(e.postconf))?,
            Err(e @ Errno::ENOENT) if !needs_services => {
                before.push(format!("open {master_cf}: {e}"));
                Vec::new()
            }
            Err(e) => return Err(ConfigError::new(format!("open {master_cf}: {e}"))),
        };
        if defaults_only {
            config = super::defaults(&config);
        } else {
            before.splice(0..0, config.warnings().iter().cloned());
        }
        if main_cf != crate::postfix::MAIN_CF && !defaults_only {
            let directory = main_cf.trim_end_matches("/main.cf");
            config = config.with(&[("config_directory".into(), directory.into())]);
        }
        let mut shown = Shown {
            config,
            of_services: of_services(&services),
            services,
            of_user: BTreeSet::new(),
            before,
            defaults_only,
            main_cf: main_cf.to_string(),
            master_cf: master_cf.to_string(),
            pid: p.pid(),
        };
        shown.check()?;
        shown.find_user_parameters();
        Ok(shown)
    }

    /// What every postconf evaluates, whatever it is asked for.
    fn check(&self) -> Result<(), ConfigError> {
        let processing =
            |warnings: Vec<String>| ConfigError { warnings, fatal: "macro processing error".into() };
        for (_, setting) in self.config.settings() {
            if let Err(ExpandError::Syntax(why)) = expand::expand(&setting.value, &Nothing) {
                return Err(processing(vec![why.clone(), why]));
            }
        }
        let level = self.config.string("compatibility_level");
        if let Err(why) = crate::postfix::config::level::Level::parse(&level) {
            return Err(processing(vec![why]));
        }
        host::families(&self.config.string("inet_protocols")).map_err(ConfigError::new)?;
        self.config.mynetworks_default().map_err(ConfigError::new).map(drop)
    }

    fn known(&self, name: &str) -> bool {
        parameters::find(name).is_some() || self.of_services.contains_key(name)
    }

    fn find_user_parameters(&mut self) {
        if self.defaults_only {
            return;
        }
        let mut used: BTreeSet<Rc<str>> = self.config.list("smtpd_restriction_classes").into_iter().collect();
        let mut open: Vec<Rc<str>> = Vec::new();
        for parameter in parameters::all() {
            let value = self.config.setting(parameter.name).map_or(parameter.default, |s| &*s.value);
            open.extend(expand::names_in(value).into_iter().map(Rc::from));
        }
        for name in self.of_services.keys() {
            if let Some(setting) = self.config.setting(name) {
                open.extend(expand::names_in(&setting.value).into_iter().map(Rc::from));
            }
        }
        for (_, value) in self.services.iter().flat_map(Entry::overrides) {
            open.extend(expand::names_in(&value).into_iter().map(Rc::from));
        }
        open.extend(used.iter().cloned());
        // What a used name's value refers to is used, too.
        while let Some(name) = open.pop() {
            if let Some(setting) = self.config.setting(&name)
                && !self.known(&name)
                && used.insert(name.clone())
            {
                open.extend(expand::names_in(&setting.value).into_iter().map(Rc::from));
            }
        }
        self.of_user = used.into_iter().filter(|n| self.config.setting(n).is_some()).collect();
        self.undefined();
    }

    fn undefined(&mut self) {
        let mut said = Vec::new();
        let own: Vec<_> = self.services.iter().map(Entry::overrides).collect();
        let in_master = |name: &str| own.iter().flatten().any(|(n, _)| &**n == name);
        for entry in &own {
            for used in entry.iter().skip(2).flat_map(|(_, value)| expand::names_in(value)) {
                let local = entry.iter().any(|(n, _)| &**n == used);
                if !local && !self.known(used) && self.config.setting(used).is_none() {
                    said.push(format!("{}: undefined parameter: {used}", self.master_cf));
                }
            }
        }
        for (name, setting) in self.config.settings() {
            if parameters::find(name).is_some_and(|p| p.kind == parameters::Kind::ReadOnly) {
                said.push(format!(
                    "{}: read-only parameter assignment: {name}={}",
                    self.main_cf, setting.value
                ));
            }
            for used in expand::names_in(&setting.value) {
                let raw = parameters::find(name).is_some_and(|p| p.kind == parameters::Kind::Raw);
                if !raw && !self.known(used) && !in_master(used) && self.config.setting(used).is_none() {
                    said.push(format!("{}: undefined parameter: {used}", self.main_cf));
                }
            }
        }
        self.before.extend(said);
    }

    /// What is set and means nothing, told at the end.
    pub fn unused(&self, services_only: bool) -> Vec<String> {
        if self.defaults_only {
            return Vec::new();
        }
        let mut said = Vec::new();
        for (name, setting) in self.config.settings().filter(|_| !services_only) {
            let from_file = matches!(setting.place, Place::File { .. });
            if from_file && !self.known(name) && !self.of_user.contains(name) {
                said.push(format!("{}: unused parameter: {name}={}", self.main_cf, setting.value));
            }
        }
        let of_main = |name: &str| {
            self.config.settings().any(|(_, setting)| expand::names_in(&setting.value).contains(&name))
        };
        for entry in &self.services {
            let own = entry.overrides();
            for (name, value) in own.iter().skip(2) {
                let used = own.iter().any(|(_, v)| expand::names_in(v).contains(&&**name));
                if !used && !of_main(name) && !self.known(name) && !self.of_user.contains(name) {
                    said.push(format!("{}: unused parameter: {name}={value}", self.master_cf));
                }
            }
        }
        said
    }

    /// The value of a parameter, not filled in; `None` if there is no such parameter.
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "process_id" => return Some(self.pid.to_string().into()),
            "process_name" => return Some("postconf".into()),
            _ => {}
        }
        if !self.known(name) && !self.of_user.contains(name) {
            return None;
        }
        match self.config.setting(name) {
            Some(setting) => Some(Cow::Borrowed(&setting.value)),
            None => match self.of_services.get(name) {
                Some(default) if parameters::find(name).is_none() => Some(Cow::Borrowed(*default)),
                _ => self.config.default_of(name),
            },
        }
    }

    /// All names of a class, sorted.
    fn names(&self, class: Option<&str>) -> BTreeSet<Cow<'_, str>> {
        let has =
            |c: &str, which: &str| typed::words(c).into_iter().any(|word| word == which || word == "all");
        let wants = |which: &str| class.is_none_or(|c| has(c, which));
        let mut names = BTreeSet::new();
        if wants("builtin") {
            // These two are of a class of their own, which has no name.
            let of_process = |name: &str| matches!(name, "process_id" | "process_name");
            let all = class.is_none_or(|c| has(c, "all"));
            let builtin = parameters::all().iter().filter(|p| all || !of_process(p.name));
            names.extend(builtin.map(|p| Cow::Borrowed(p.name)));
        }
        if wants("service") {
            let only = self.of_services.keys().filter(|n| parameters::find(n).is_none());
            names.extend(only.map(|n| Cow::Borrowed(n.as_str())));
        }
        if wants("user") {
            names.extend(self.of_user.iter().map(|n| Cow::Borrowed(&**n)));
        }
        names
    }
}

/// Nothing has a value: for finding mistakes in the syntax alone.
struct Nothing;

impl Names for Nothing {
    fn value(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
    fn expand_again(&self) -> bool {
        false
    }
}

fn of_services(services: &[Entry]) -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    for entry in services {
        let tables: &[_] = match &*entry.command {
            "local" | "error" | "virtual" | "smtp" | "lmtp" => &[OF_TRANSPORT],
            "pipe" => &[OF_TRANSPORT, OF_COMMAND_SERVICE],
            "spawn" => &[OF_COMMAND_SERVICE],
            _ => continue,
        };
        for (end, default, _) in tables.iter().copied().flatten() {
            found.insert(format!("{}{end}", entry.name), *default);
        }
    }
    found
}

/// The lines for these parameters, or all, and the warnings for names that are none.
///
/// # Errors
/// With `-x`, a value that cannot be expanded.
pub fn parameters(
    shown: &Shown,
    look: &Look,
    names: &[String],
) -> Result<(String, Vec<String>), ConfigError> {
    let all = shown.names(look.class.as_deref());
    let names: Vec<&str> = match names {
        [] => all.iter().map(|n| &**n).collect(),
        names => names.iter().map(String::as_str).collect(),
    };
    let mut out = String::new();
    let mut unknown = Vec::new();
    for name in names {
        let Some(value) = shown.value(name) else {
            unknown.push(format!("{name}: unknown parameter"));
            continue;
        };
        if look.set_only && shown.config.setting(name).is_none() {
            continue;
        }
        let value = match look.expand {
            true => Cow::Owned(
                shown
                    .config
                    .expand(&value)
                    .map_err(|e| ConfigError { fatal: "macro processing error".into(), ..e })?,
            ),
            false => value,
        };
        setting(name, &value, look, &mut out);
    }
    Ok((out, unknown))
}

/// Appends one line `name = value`, or what `-h` and `-H` leave of it.
pub fn setting(name: &str, value: &str, look: &Look, out: &mut String) {
    let head = match (look.no_name, look.no_value) {
        (true, _) => String::new(),
        (_, true) => {
            out.push_str(&format!("{name}\n"));
            return;
        }
        _ => format!("{name} ="),
    };
    out.push_str(&head);
    let mut column = head.len();
    for (i, word) in blank_words(value).into_iter().enumerate() {
        let first = i == 0 && look.no_name;
        if look.fold && !first && column + 1 + word.len() >= LINE_LIMIT {
            out.push_str("\n    ");
            column = 4;
        } else if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(&word);
        column += word.len();
    }
    out.push('\n');
}

/// The words between blanks; what is in braces is one word, with single blanks in it.
pub fn blank_words(text: &str) -> Vec<Cow<'_, str>> {
    let mut words = Vec::new();
    let mut rest = text.trim_matches(is_blank);
    while !rest.is_empty() {
        let end = word_end(rest, is_blank);
        let word = &rest[..end];
        let single: Vec<&str> = word.split(is_blank).filter(|w| !w.is_empty()).collect();
        words.push(if single.len() > 1 { Cow::Owned(single.join(" ")) } else { Cow::Borrowed(word) });
        rest = rest[end..].trim_start_matches(is_blank);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, value: &str, fold: bool) -> String {
        let mut out = String::new();
        setting(name, value, &Look { fold, ..Look::default() }, &mut out);
        out
    }

    #[test]
    fn lines_as_the_real_program_prints_them() {
        assert_eq!(line("relayhost", "", false), "relayhost =\n");
        assert_eq!(line("relayhost", "   a   {b   c}   \"d  e\"", false), "relayhost = a {b c} \"d e\"\n");
        let long = "$myhostname, localhost.$mydomain, localhost, aaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbb, ccccccccccccc";
        assert_eq!(
            line("mydestination", long, true),
            "mydestination = $myhostname, localhost.$mydomain, localhost,\n    aaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbb, ccccccccccccc\n"
        );
        let value = "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME";
        assert_eq!(
            line("import_environment", value, true),
            "import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY\n    LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME\n"
        );
    }
}

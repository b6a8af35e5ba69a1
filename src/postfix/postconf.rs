//! postconf(1): shows and changes what is in main.cf and master.cf.
//!
//! - [`show`]: parameters, as they are printed, and what there is to say about them
//! - [`edit`]: changing main.cf (`-e`, `-X`, `-#`)
//! - [`services`]: master.cf (`-M`, `-F`, `-P`), shown and changed
//!
//! Its messages go to standard error alone, not to the log.
//!
//! # Simplifications
//! Parameters of ldap, mysql and pgsql tables are unknown. `-T` tells the versions of the recorded host. New settings are appended in the order in which they were asked for, and unused ones
//! told in the order of their names; the order of the real program changes from run to run.

pub mod edit;
pub mod services;
pub mod show;

use super::bounce::template::Templates;
use super::config::{Config, ConfigError, main_cf, typed};
use crate::world::process::Process;
use show::{Look, Shown};
use std::rc::Rc;

const USAGE: &str = "usage: postconf [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir] [-c param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] [-F (master.cf fields)] [-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M (master.cf)] [-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)] [-P (master.cf parameters)] [-t (bounce templates)] [-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]";

/// What to change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// `-e`: set.
    Set,
    /// `-X`: remove.
    Remove,
    /// `-#`: make a comment of.
    Comment,
}

/// What the options ask for.
#[derive(Default)]
struct Options {
    directory: Option<String>,
    overrides: Vec<(Rc<str>, Rc<str>)>,
    class: Option<String>,
    /// What of OpenSSL is to be told (`-T`).
    tls: Option<String>,
    /// The letters given, without values.
    letters: Vec<char>,
    names: Vec<String>,
}

impl Options {
    fn has(&self, letter: char) -> bool {
        self.letters.contains(&letter)
    }

    fn change(&self) -> Option<Change> {
        let of = |letter: &char| match letter {
            'e' => Some(Change::Set),
            'X' => Some(Change::Remove),
            '#' => Some(Change::Comment),
            _ => None,
        };
        self.letters.iter().find_map(of)
    }
}

/// A command that fails: what it prints, and its status.
type Done = Result<(), ConfigError>;

/// The command.
pub async fn main(p: Process) -> i32 {
    let args = p.args();
    let options = match parse(&args) {
        Ok(options) => options,
        Err(Bad::Option(complaint)) => {
            p.eprint(format!("postconf: {complaint}\n")).await;
            return fatal(&p, &ConfigError::new(USAGE)).await;
        }
        Err(Bad::Other(text)) => return fatal(&p, &ConfigError::new(text)).await,
    };
    if let Some(mode) = &options.tls {
        return tell_tls(&p, mode).await;
    }
    if options.has('b') || options.has('t') {
        return match templates(&p, &options).await {
            Ok(status) => status,
            Err(e) => fatal(&p, &e).await,
        };
    }
    match run(&p, &options).await {
        Ok(()) => 0,
        Err(e) => fatal(&p, &e).await,
    }
}

/// `-T`: what the real program says of the OpenSSL it was built and is run with.
async fn tell_tls(p: &Process, mode: &str) -> i32 {
    let text = match mode {
        "compile-version" => "OpenSSL 3.0.11 19 Sep 2023\n",
        "run-version" => "OpenSSL 3.0.22 25 Aug 2026\n",
        "public-key-algorithms" => "dsa\necdsa\nrsa\n",
        _ => {
            warn(p, &[format!("unknown 'postconf -T' mode: {mode}")]).await;
            return 1;
        }
    };
    p.print(text).await;
    0
}

/// Where the configuration lies.
fn directory<'a>(p: &Process, options: &'a Options) -> std::borrow::Cow<'a, str> {
    match &options.directory {
        Some(directory) => directory.into(),
        None => p.var("MAIL_CONFIG").map_or("/etc/postfix".into(), |d| d.to_string().into()),
    }
}

async fn run(p: &Process, options: &Options) -> Done {
    exclusive(options).map_err(ConfigError::new)?;
    let directory = directory(p, options);
    let (main_cf, master_cf) = (format!("{directory}/main.cf"), format!("{directory}/master.cf"));
    let lists: [(char, &[&str]); 4] = [
        ('m', super::dict::TYPES),
        ('l', &["flock", "fcntl", "dotlock"]),
        ('a', &["cyrus", "dovecot"]),
        ('A', &["cyrus"]),
    ];
    if let Some((_, list)) = lists.iter().find(|(letter, _)| options.has(*letter)) {
        p.print(list.iter().map(|line| format!("{line}\n")).collect::<String>()).await;
        return Ok(());
    }
    let on_services = ['M', 'F', 'P'].into_iter().find(|l| options.has(*l));
    let setting = options.names.iter().any(|n| n.contains('='));
    let change = options.change().or((setting).then_some(Change::Set));
    if let Some(change) = change {
        check_arguments(change, on_services.is_some(), &options.names).map_err(ConfigError::new)?;
        let warnings = match on_services {
            Some(which) => services::change(p, &master_cf, which, change, &options.names)?,
            None => edit::change(p, &main_cf, change, &options.names)?,
        };
        warn(p, &warnings).await;
        return Ok(());
    }
    let shown =
        Shown::read(p, &main_cf, &master_cf, &options.overrides, options.has('d'), on_services.is_some())?;
    warn(p, &shown.before).await;
    let look = Look {
        fold: options.has('f'),
        no_name: options.has('h'),
        no_value: options.has('H'),
        expand: options.has('x'),
        set_only: options.has('n'),
        class: options.class.clone(),
    };
    let (text, unknown) = match on_services {
        Some(which) => services::show(&shown, which, &look, &options.names).map_err(ConfigError::new)?,
        None => show::parameters(&shown, &look, &options.names)?,
    };
    warn(p, &unknown).await;
    p.print(text).await;
    warn(p, &shown.unused(on_services.is_some())).await;
    Ok(())
}

/// `-t`: the texts of notifications; `-b`: the same filled in. The file may be named.
async fn templates(p: &Process, options: &Options) -> Result<i32, ConfigError> {
    exclusive(options).map_err(ConfigError::new)?;
    let main_cf = format!("{}/main.cf", directory(p, options));
    let config = super::config_at(p, &main_cf, &options.overrides)?;
    let path =
        options.names.first().cloned().unwrap_or_else(|| config.string("bounce_template_file").to_string());
    // The real one has bounce(8) do it.
    let say = |level: &str, text: &str| format!("postfix/bounce: {level}: {text}\n");
    let text = if path.is_empty() { Ok(None) } else { p.read_text(&path).map(Some) };
    let text = match text {
        Ok(text) => text,
        Err(e) => {
            p.eprint(say("fatal", &format!("open {path}: {e}"))).await;
            return Ok(1);
        }
    };
    let (templates, warnings) = match Templates::read(text.as_deref().map(|text| (path.as_str(), text))) {
        Ok(read) => read,
        Err(text) => {
            p.eprint(say("fatal", &text)).await;
            return Ok(1);
        }
    };
    let (shown, more) = match options.has('b') {
        true => templates.show_filled(&config),
        false => (Ok(templates.show()), Vec::new()),
    };
    for warning in warnings.iter().chain(&more) {
        p.eprint(say("warning", warning)).await;
    }
    match shown {
        Ok(text) => {
            p.print(text).await;
            Ok(0)
        }
        Err(text) => {
            p.eprint(say("fatal", &text)).await;
            Ok(1)
        }
    }
}

async fn warn(p: &Process, warnings: &[String]) {
    for warning in warnings {
        p.eprint(format!("postconf: warning: {warning}\n")).await;
    }
}

async fn fatal(p: &Process, error: &ConfigError) -> i32 {
    warn(p, &error.warnings).await;
    p.eprint(format!("postconf: fatal: {}\n", error.fatal)).await;
    1
}

/// Options that exclude each other.
fn exclusive(options: &Options) -> Result<(), String> {
    for group in [&['d', 'e', 'n'][..], &['e', 'X', '#'], &['M', 'F', 'P', 'm', 'l', 'a', 'A'], &['h', 'H']] {
        let given: Vec<String> =
            group.iter().filter(|letter| options.has(**letter)).map(|letter| format!("-{letter}")).collect();
        if given.len() > 1 {
            return Err(format!("specify one of {}", given.join(" ")));
        }
    }
    for letter in ['M', 'F', 'P'].into_iter().filter(|l| options.has(*l)) {
        let others = match letter {
            'F' => &['d', 'n', 'X', '#'][..],
            'P' => &['d', 'n', '#'],
            _ => &['d', 'n'],
        };
        if let Some(other) = others.iter().find(|l| options.has(**l)) {
            return Err(format!("with option -{letter}, do not specify -{other}"));
        }
    }
    if options.change().is_some_and(|c| c != Change::Set) && options.names.iter().any(|n| n.contains('=')) {
        let letter = if options.has('X') { 'X' } else { '#' };
        return Err(format!("specify one of -e -{letter}"));
    }
    Ok(())
}

fn check_arguments(change: Change, services: bool, names: &[String]) -> Result<(), String> {
    if names.is_empty() {
        return Err(match change {
            Change::Set => "-e requires name=value argument".into(),
            _ => "missing service argument".into(),
        });
    }
    for name in names {
        if name.contains('\n') {
            return Err("-e, -X, or -# accepts no multi-line input".into());
        }
        if !services && name.trim_start_matches(main_cf::is_blank).starts_with('#') {
            return Err("-e, -X, or -# accepts no comment input".into());
        }
    }
    Ok(())
}

enum Bad {
    /// What getopt(3) complains of.
    Option(String),
    /// What the program itself complains of.
    Other(String),
}

fn parse(args: &[Rc<str>]) -> Result<Options, Bad> {
    const FLAGS: &str = "aAbdefFhHlmMnpPtvxX#";
    const VALUES: &str = "cCoT";
    let mut options = Options::default();
    let mut args = args.iter().map(|a| &**a);
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            options.names.push(arg.to_string());
            break;
        };
        for (at, letter) in letters.char_indices() {
            if FLAGS.contains(letter) {
                options.letters.push(letter);
                continue;
            }
            if !VALUES.contains(letter) {
                return Err(Bad::Option(format!("invalid option -- '{letter}'")));
            }
            let rest = &letters[at + letter.len_utf8()..];
            let value = if rest.is_empty() { args.next() } else { Some(rest) };
            let value =
                value.ok_or_else(|| Bad::Option(format!("option requires an argument -- '{letter}'")))?;
            match letter {
                'c' => options.directory = Some(value.to_string()),
                'C' => {
                    let is_class = |word: &&str| ["all", "builtin", "service", "user"].contains(word);
                    if let Some(word) = typed::words(value).into_iter().find(|word| !is_class(word)) {
                        let text = format!("unknown -C option value \"{word}\" in \"{value}\"");
                        return Err(Bad::Other(text));
                    }
                    options.class = Some(value.to_string());
                }
                'o' => {
                    let (name, text) = main_cf::split_setting(value)
                        .map_err(|e| Bad::Other(format!("invalid parameter override: {value}: {e}")))?;
                    options.overrides.push((name.into(), text.into()));
                }
                _ => options.tls = Some(value.to_string()),
            }
            break;
        }
    }
    options.names.extend(args.map(String::from));
    Ok(options)
}

/// The configuration a program without a main.cf would have.
fn defaults(config: &Config) -> Config {
    config.without_settings("/etc/postfix/main.cf")
}

#[cfg(test)]
mod tests {
    use crate::postfix::testing::Machine;

    #[test]
    fn as_the_real_postconf() {
        Machine::new("mail.example.com").replay(include_str!("postconf/recorded.txt"));
    }

    #[test]
    fn the_stock_host() {
        let host = Machine::new("lpic2-study-1");
        let out = |line: &str| host.type_in("root", line);
        assert_eq!(out("postconf mydomain"), "mydomain = localdomain\n");
        assert_eq!(out("postconf -h myhostname"), "lpic2-study-1.localdomain\n");
        assert_eq!(
            out("postconf -M smtp/inet"),
            "smtp       inet  n       -       n       -       -       smtpd\n"
        );
        assert_eq!(out("postconf -P"), "relay/unix/syslog_name = postfix/$service_name\n");
        assert_eq!(
            host.type_in("alice", "postconf -e 'relayhost ='; echo $?"),
            "postconf: fatal: open /etc/postfix/main.cf.tmp: Permission denied\n1\n"
        );
        assert_eq!(out("postconf -n nosuch"), "postconf: warning: nosuch: unknown parameter\n");
        assert_eq!(out("postconf -dn; echo $?"), "postconf: fatal: specify one of -d -n\n1\n");
    }

    /// The stock host of the recording listed 941 parameters.
    #[test]
    fn all_parameters_are_there() {
        let host = Machine::new("mail.example.com");
        assert_eq!(host.type_in("root", "postconf -d").lines().count(), 941);
        assert_eq!(host.type_in("root", "postconf").lines().count(), 941);
    }
}

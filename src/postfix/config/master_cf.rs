//! master.cf, the table of services: one service a line, seven fields and the command with its
//! arguments; a line that begins with a blank continues the one before. An argument in braces may
//! hold blanks.
//!
//! ```text
//! # service type  private unpriv  chroot  wakeup  maxproc command + args
//! smtp      inet  n       -       n       -       -       smtpd
//! relay     unix  -       -       n       -       -       smtp -o { smtp_helo_name = relay }
//! ```

use super::main_cf::{self, is_blank, logical_lines};
use std::fmt;
use std::rc::Rc;

/// How a service is reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ServiceType {
    /// A TCP socket.
    Inet,
    /// A stream socket in the queue directory.
    Unix,
    /// A datagram socket in the queue directory.
    UnixDgram,
    /// A named pipe.
    Fifo,
    /// A socket over which connections are passed.
    Pass,
}

impl ServiceType {
    /// As master.cf names it.
    pub fn name(self) -> &'static str {
        match self {
            ServiceType::Inet => "inet",
            ServiceType::Unix => "unix",
            ServiceType::UnixDgram => "unix-dgram",
            ServiceType::Fifo => "fifo",
            ServiceType::Pass => "pass",
        }
    }

    fn of(name: &str) -> Option<ServiceType> {
        [Self::Inet, Self::Unix, Self::UnixDgram, Self::Fifo, Self::Pass]
            .into_iter()
            .find(|t| t.name() == name)
    }
}

/// One service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name: a socket's name, or `host:port` for an `inet` service.
    pub name: Rc<str>,
    /// How it is reached.
    pub kind: ServiceType,
    /// Only for the mail system itself.
    pub private: bool,
    /// Runs as `mail_owner`, not as root.
    pub unprivileged: bool,
    /// Runs in the queue directory as its root; `None` where the default stands, which depends on
    /// the compatibility level.
    pub chroot: Option<bool>,
    /// It is woken up after this many seconds, again and again.
    pub wakeup: Option<u64>,
    /// It is woken up only once someone has used it (a `?` behind the time).
    pub wakeup_if_used: bool,
    /// How many processes at most; 0 for any number, `None` for `default_process_limit`.
    pub max_processes: Option<u32>,
    /// The program's file name.
    pub command: Rc<str>,
    /// Its arguments, braces around them removed.
    pub args: Vec<Rc<str>>,
    /// The first line of the entry, counted from 1.
    pub line: u32,
    /// The words of the entry as they are written, for postconf(1).
    pub words: Vec<Rc<str>>,
}

impl Entry {
    /// A service that stands in no file: that of a program which somebody runs by hand.
    pub fn of_program(program: &str) -> Entry {
        Entry {
            name: program.into(),
            kind: ServiceType::Unix,
            private: true,
            unprivileged: false,
            chroot: Some(false),
            wakeup: None,
            wakeup_if_used: false,
            max_processes: Some(1),
            command: program.into(),
            args: Vec::new(),
            line: 0,
            words: Vec::new(),
        }
    }

    /// What `-o name=value` sets for the program, and `service_name` and `process_name`.
    pub fn overrides(&self) -> Vec<(Rc<str>, Rc<str>)> {
        let own = [("service_name".into(), self.name.clone()), ("process_name".into(), self.command.clone())];
        let options = self.options().filter_map(|text| main_cf::split_setting(text).ok());
        own.into_iter().chain(options.map(|(name, value)| (name.into(), value.into()))).collect()
    }

    /// Checks the `-o` options; the error is what the program ends with when master starts it.
    ///
    /// # Errors
    /// An option that is no setting.
    pub fn check_overrides(&self) -> Result<(), String> {
        for text in self.options() {
            main_cf::split_setting(text).map_err(|e| format!("invalid \"-o {text}\" option value: {e}"))?;
        }
        Ok(())
    }

    fn options(&self) -> impl Iterator<Item = &str> {
        self.args.windows(2).filter(|w| &*w[0] == "-o").map(|w| &*w[1])
    }
}

/// Why master.cf cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MasterCfError {
    /// What master(8) says after `fatal: `.
    pub master: String,
    /// What postconf(1) says after `fatal: `, and with it `postfix start`.
    pub postconf: String,
}

impl fmt::Display for MasterCfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.master)
    }
}

impl std::error::Error for MasterCfError {}

/// Parses master.cf, the text of the file `path`.
///
/// # Errors
/// The first entry that makes no sense.
pub fn parse(text: &str, path: &str) -> Result<Vec<Entry>, MasterCfError> {
    logical_lines(text).into_iter().map(|l| entry(&l.text, l.line, path)).collect()
}

const FIELDS: [&str; 8] =
    ["service", "transport", "private", "unprivileged", "chroot", "wakeup_time", "process_limit", "command"];

fn entry(text: &str, line: u32, path: &str) -> Result<Entry, MasterCfError> {
    let words = split(text);
    let place = |what: String| format!("{path}: line {line}: {what}");
    if words.len() < FIELDS.len() {
        return Err(MasterCfError {
            master: place(format!("missing \"{}\" field", FIELDS[words.len()])),
            postconf: format!("file {path}: line {line}: bad field count"),
        });
    }
    let bad = |field: usize, postconf_name: &str| MasterCfError {
        master: place(match field {
            1 => format!("bad transport type: {}", words[1]),
            _ => format!("field \"{}\": bad value: \"{}\"", FIELDS[field], words[field]),
        }),
        postconf: format!("invalid {postconf_name} field \"{}\" in \"{}\"", words[field], text.trim()),
    };
    let kind = ServiceType::of(words[1]).ok_or_else(|| bad(1, "type"))?;
    let flag = |field: usize, name: &str| match words[field] {
        "y" => Ok(Some(true)),
        "n" => Ok(Some(false)),
        "-" => Ok(None),
        _ => Err(bad(field, name)),
    };
    let private = flag(2, "private")?;
    let unprivileged = flag(3, "unprivileged")?;
    let chroot = flag(4, "chroot")?;
    let (wakeup, wakeup_if_used) = match words[5].strip_suffix('?') {
        Some(time) => (time, true),
        None => (words[5], false),
    };
    let wakeup = count(wakeup).ok_or_else(|| bad(5, "wakeup"))?;
    let max_processes = count(words[6]).ok_or_else(|| bad(6, "process_limit"))?;
    let fatal = |what: String| MasterCfError { master: place(what.clone()), postconf: place(what) };
    if kind == ServiceType::Inet && private != Some(false) {
        return Err(fatal("inet service cannot be private".into()));
    }
    let args =
        words[8..].iter().map(|w| unbraced(w).map(Rc::from)).collect::<Result<_, _>>().map_err(fatal)?;
    Ok(Entry {
        name: words[0].into(),
        kind,
        private: private.unwrap_or(true),
        unprivileged: unprivileged.unwrap_or(true),
        chroot,
        wakeup: wakeup.filter(|w| *w > 0).map(u64::from),
        wakeup_if_used,
        max_processes,
        command: words[7].into(),
        args,
        line,
        words: words.iter().map(|w| Rc::from(*w)).collect(),
    })
}

/// `-` for nothing, or a number.
fn count(text: &str) -> Option<Option<u32>> {
    if text == "-" {
        return Some(None);
    }
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok().filter(|n| i32::try_from(*n).is_ok())).flatten().map(Some)
}

/// The words of an entry; what begins with a brace goes to the brace that closes it, and on to the
/// next blank.
fn split(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(is_blank);
    while !rest.is_empty() {
        let mut depth = 0usize;
        let mut end = rest.len();
        let braces = rest.starts_with('{');
        for (i, c) in rest.char_indices() {
            match c {
                '{' if braces => depth += 1,
                '}' if braces => depth = depth.saturating_sub(1),
                c if depth == 0 && is_blank(c) => {
                    end = i;
                    break;
                }
                _ => {}
            }
        }
        words.push(rest[..end].trim_end_matches(is_blank));
        rest = rest[end..].trim_start_matches(is_blank);
    }
    words
}

fn unbraced(word: &str) -> Result<&str, String> {
    let Some(inside) = word.strip_prefix('{') else { return Ok(word) };
    let mut depth = 1usize;
    for (i, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return match &inside[i + 1..] {
                "" => Ok(inside[..i].trim_matches(is_blank)),
                _ => Err(format!("syntax error after '}}' in \"{word}\"")),
            };
        }
    }
    Err(format!("missing '}}' in \"{word}\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STOCK: &str = "\
smtp       inet  n - n - - smtpd
pickup     unix  n - n 60 1 pickup
tlsmgr     unix  - - n 1000? 1 tlsmgr
relay      unix  - - n - - smtp
    -o syslog_name=postfix/$service_name
# not this
    -o { smtp_helo_name = a b }
local      unix  - n n - - local
postlog    unix-dgram n - n - 1 postlogd
";

    #[test]
    fn the_stock_services() {
        let all = parse(STOCK, "/etc/postfix/master.cf").unwrap();
        assert_eq!(all.len(), 6);
        assert_eq!((all[0].kind, all[0].private, all[0].unprivileged), (ServiceType::Inet, false, true));
        assert_eq!((all[1].wakeup, all[1].max_processes), (Some(60), Some(1)));
        assert_eq!((all[2].wakeup, all[2].wakeup_if_used), (Some(1000), true));
        assert_eq!(all[3].line, 4);
        let set: Vec<String> = all[3].overrides().iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(
            set,
            [
                "service_name=relay",
                "process_name=smtp",
                "syslog_name=postfix/$service_name",
                "smtp_helo_name=a b"
            ]
        );
        assert_eq!((all[4].unprivileged, all[4].line), (false, 8));
    }

    #[test]
    fn errors_as_postconf_and_master_say_them() {
        let both = |text: &str| {
            let e = parse(text, "m.cf").unwrap_err();
            (e.master, e.postconf)
        };
        assert_eq!(
            both("smtp inet n - n - -"),
            ("m.cf: line 1: missing \"command\" field".into(), "file m.cf: line 1: bad field count".into())
        );
        assert_eq!(
            both("smtp foo n - n - - smtpd").1,
            "invalid type field \"foo\" in \"smtp foo n - n - - smtpd\""
        );
        assert_eq!(
            both("a unix n x n - - b").1,
            "invalid unprivileged field \"x\" in \"a unix n x n - - b\""
        );
        assert_eq!(both("a unix n - n 5x - b").1, "invalid wakeup field \"5x\" in \"a unix n - n 5x - b\"");
        assert_eq!(
            both("a unix n - n 5? -1 b").1,
            "invalid process_limit field \"-1\" in \"a unix n - n 5? -1 b\""
        );
        assert_eq!(both("\n\nsmtp inet - - n - - smtpd").0, "m.cf: line 3: inet service cannot be private");
        assert_eq!(both("a unix - - n - - b {a b").0, "m.cf: line 1: missing '}' in \"{a b\"");
        assert_eq!(
            both("a unix - - n - - b { a b }x").0,
            "m.cf: line 1: syntax error after '}' in \"{ a b }x\""
        );
    }

    #[test]
    fn bad_options_stop_the_program() {
        let check = |text: &str| parse(text, "m.cf").unwrap()[0].check_overrides().unwrap_err();
        assert_eq!(
            check("smtp inet n - n - - smtpd -o {foo}"),
            "invalid \"-o foo\" option value: missing '=' after attribute name"
        );
        assert_eq!(
            check("smtp inet n - n - - smtpd -o =x"),
            "invalid \"-o =x\" option value: missing attribute name"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[-a{}ny0 \t\n#\u{e9}?o]{0,80}") {
            let _ = parse(&text, "master.cf");
        }
        #[test]
        fn what_is_written_is_read_back(
            name in "[a-z]{1,8}", private in "[yn]", wakeup in 1u32..9999, args in proptest::collection::vec("[a-z=/]{1,8}", 0..4)
        ) {
            let text = format!("{name} unix {private} - - {wakeup}? 0 cmd {}", args.join(" "));
            let all = parse(&text, "master.cf").unwrap();
            prop_assert_eq!(all[0].words.join(" "), text.trim_end());
            prop_assert_eq!(all[0].wakeup, Some(u64::from(wakeup)));
            prop_assert_eq!(&all[0].args.iter().map(|a| a.to_string()).collect::<Vec<_>>(), &args);
        }
    }
}

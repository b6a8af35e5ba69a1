//! Options as getopt_long(3) takes them apart, with its messages.

use super::tool::Tool;
use std::rc::Rc;

/// The options of a command.
pub struct Options {
    /// Its usage, without its name: `[OPTION]... [FILE]...`.
    pub usage: &'static str,
    /// Its short options; `:` behind one says it takes an argument, `::` that it may.
    pub short: &'static str,
    /// Its long options, each with the short one it stands for; `=` at the end of the name says
    /// it takes an argument, `?` that it may.
    pub long: &'static [(&'static str, char)],
    /// Short options that the real command has and the lab has not.
    pub absent: &'static str,
    /// What it exits with when it is called wrongly.
    pub trouble: i32,
    /// Its usage is shown to whoever calls it wrongly.
    pub shows_usage: bool,
    /// Options end at the first operand.
    pub in_order: bool,
}

/// Nothing but operands; the base for others.
pub const NONE: Options = Options {
    usage: "[OPTION]... [FILE]...",
    short: "",
    long: &[],
    absent: "",
    trouble: 1,
    shows_usage: false,
    in_order: false,
};

/// A command line taken apart.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The options in the order given, by their short letters.
    pub given: Vec<(char, Option<Rc<str>>)>,
    /// Everything else.
    pub operands: Vec<Rc<str>>,
}

impl Parsed {
    /// Was this option given?
    pub fn has(&self, option: char) -> bool {
        self.given.iter().any(|(o, _)| *o == option)
    }

    /// The argument of an option; of the last one where it was given more than once.
    pub fn value(&self, option: char) -> Option<&str> {
        self.given.iter().rev().find(|(o, _)| *o == option).and_then(|(_, v)| v.as_deref())
    }

    /// Which of these options was given last?
    pub fn last_of(&self, options: &str) -> Option<char> {
        self.given.iter().rev().find(|(o, _)| options.contains(*o)).map(|(o, _)| *o)
    }

    /// The operands, or `-` where there are none.
    pub fn files(&self) -> Vec<Rc<str>> {
        if self.operands.is_empty() { vec!["-".into()] } else { self.operands.clone() }
    }
}

enum Trouble {
    Text(String),
    Absent(String),
}

impl Options {
    /// Takes the command line apart; where that fails it has been said, and the status is given.
    pub async fn parse(&self, tool: &mut Tool) -> Result<Parsed, i32> {
        let args = tool.p.args();
        self.parse_args(tool, &args).await
    }

    /// As [`parse`](Options::parse), for these arguments.
    pub async fn parse_args(&self, tool: &mut Tool, args: &[Rc<str>]) -> Result<Parsed, i32> {
        match self.split(args) {
            Ok(parsed) if parsed.has(HELP) => {
                let text = format!("Usage: {} {}\n", tool.name, self.usage);
                tool.put(text).await;
                tool.flush().await;
                Err(tool.status)
            }
            Ok(parsed) if parsed.has(VERSION) => {
                let text = format!("{} (maillab) {}\n", tool.p.name(), env!("CARGO_PKG_VERSION"));
                tool.put(text).await;
                tool.flush().await;
                Err(tool.status)
            }
            Ok(parsed) => Ok(parsed),
            Err(Trouble::Text(text)) if self.shows_usage => {
                let text = format!("{text}\nUsage: {} {}", tool.name, self.usage);
                Err(tool.usage(text, self.trouble).await)
            }
            Err(Trouble::Text(text)) => Err(tool.usage(text, self.trouble).await),
            Err(Trouble::Absent(option)) => {
                tool.unavailable(&option).await;
                Err(self.trouble)
            }
        }
    }

    fn split(&self, args: &[Rc<str>]) -> Result<Parsed, Trouble> {
        let mut parsed = Parsed::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if &**arg == "--" {
                parsed.operands.extend(rest.cloned());
                break;
            }
            if let Some(long) = arg.strip_prefix("--") {
                self.long(long, &mut rest, &mut parsed)?;
            } else if arg.len() > 1 && arg.starts_with('-') {
                self.cluster(&arg[1..], &mut rest, &mut parsed)?;
            } else {
                parsed.operands.push(arg.clone());
                if self.in_order {
                    parsed.operands.extend(rest.cloned());
                    break;
                }
            }
        }
        Ok(parsed)
    }

    fn cluster<'a>(
        &self,
        cluster: &str,
        rest: &mut impl Iterator<Item = &'a Rc<str>>,
        parsed: &mut Parsed,
    ) -> Result<(), Trouble> {
        for (at, letter) in cluster.char_indices() {
            let known = self.short.find(letter).filter(|_| letter != ':');
            let Some(place) = known else {
                return Err(if self.absent.contains(letter) {
                    Trouble::Absent(format!("-{letter}"))
                } else {
                    Trouble::Text(format!("invalid option -- '{letter}'"))
                });
            };
            let spec = &self.short[place + letter.len_utf8()..];
            let attached = &cluster[at + letter.len_utf8()..];
            if spec.starts_with("::") {
                parsed.given.push((letter, (!attached.is_empty()).then(|| attached.into())));
                break;
            } else if spec.starts_with(':') {
                let value = if attached.is_empty() { rest.next().cloned() } else { Some(attached.into()) };
                let Some(value) = value else {
                    return Err(Trouble::Text(format!("option requires an argument -- '{letter}'")));
                };
                parsed.given.push((letter, Some(value)));
                break;
            }
            parsed.given.push((letter, None));
        }
        Ok(())
    }

    fn long<'a>(
        &self,
        text: &str,
        rest: &mut impl Iterator<Item = &'a Rc<str>>,
        parsed: &mut Parsed,
    ) -> Result<(), Trouble> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let (full, letter) = self.named(name)?;
        let plain = full.trim_end_matches(['=', '?']);
        let value = match (full.chars().last(), value) {
            (Some('='), Some(value)) | (Some('?'), Some(value)) => Some(Rc::from(value)),
            (Some('='), None) => match rest.next() {
                Some(value) => Some(value.clone()),
                None => return Err(Trouble::Text(format!("option '--{plain}' requires an argument"))),
            },
            (_, Some(_)) => {
                return Err(Trouble::Text(format!("option '--{plain}' doesn't allow an argument")));
            }
            (_, None) => None,
        };
        parsed.given.push((letter, value));
        Ok(())
    }

    /// The long option of this name, which may be cut short as long as it is clear.
    fn named(&self, name: &str) -> Result<(&'static str, char), Trouble> {
        const BUILT_IN: [(&str, char); 2] = [("help", HELP), ("version", VERSION)];
        let plain = |full: &'static str| full.trim_end_matches(['=', '?']);
        let all = || self.long.iter().chain(&BUILT_IN).copied();
        if let Some(exact) = all().find(|(full, _)| plain(full) == name) {
            return Ok(exact);
        }
        let near: Vec<_> = all().filter(|(full, _)| plain(full).starts_with(name)).collect();
        match near[..] {
            [] => Err(Trouble::Text(format!("unrecognized option '--{name}'"))),
            [first, ref others @ ..] if others.iter().all(|o| o.1 == first.1) => Ok(first),
            _ => {
                let list: String = near.iter().map(|(full, _)| format!(" '--{}'", plain(full))).collect();
                Err(Trouble::Text(format!("option '--{name}' is ambiguous; possibilities:{list}")))
            }
        }
    }
}

const HELP: char = '\u{1}';
const VERSION: char = '\u{2}';

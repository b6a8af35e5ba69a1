//! The options of sendmail(1), as the real one takes them: gone through twice, so that each mistake
//! is told once before the first one ends the program.

use super::super::getopt;
use super::super::msg::Msg;
use super::super::queue::notify;
use crate::world::process::Process;
use std::rc::Rc;

/// What sendmail is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Enqueue,
    Mailq,
    Newaliases,
    Flush,
    Smtp,
    Daemon,
    /// Something of another sendmail that this one accepts and does not do.
    Nothing,
}

/// What is asked for.
#[derive(Default)]
pub struct Options {
    pub mode: Mode,
    /// Nobody is to get it: what would become of it is reported (`-bv`).
    pub verify: bool,
    pub sender: Option<String>,
    pub full_name: Option<String>,
    /// A line with a dot does not end the message (`-i`).
    pub ignore_dot: bool,
    pub extract: bool,
    pub verbose: usize,
    pub notify: u8,
    pub ret: Option<bool>,
    pub envid: Option<String>,
    pub eight_bit: bool,
    pub flush_site: Option<String>,
    pub flush_id: Option<String>,
    /// Another directory for main.cf (`-C`).
    pub directory: Option<Rc<str>>,
    pub recipients: Vec<String>,
}

/// All options, as getopt(3) takes them.
const LETTERS: &str = "A:B:C:F:GIL:N:O:R:UV:X:ab:ce:f:h:imno:p:r:q:tvx";

/// Reads the arguments of a program that was called by the name `called`.
///
/// # Errors
/// Why it goes no further, once mistakes have been told.
pub async fn read(p: &Process, msg: &Msg, called: &str) -> Result<Options, String> {
    let args = p.args();
    let (given, rest) = getopt::all(&args, LETTERS, &['q']);
    for mistake in given.iter().filter_map(|g| g.as_ref().err()) {
        p.eprint(format!("{called}: {mistake}\n")).await;
    }
    let mut o = Options { recipients: rest.iter().map(|r| r.to_string()).collect(), ..Options::default() };
    match called {
        "mailq" => o.mode = Mode::Mailq,
        "newaliases" => o.mode = Mode::Newaliases,
        _ => {}
    }
    for option in given {
        match option {
            Ok((letter, value)) => o.take(letter, value.as_deref().unwrap_or_default(), msg).await?,
            Err(mistake) => {
                p.eprint(format!("{called}: {mistake}\n")).await;
                return Err(format!("usage: {called} [options]"));
            }
        }
    }
    o.conflict().map_or(Ok(o), |text| Err(text.to_owned()))
}

impl Options {
    async fn take(&mut self, letter: char, value: &str, msg: &Msg) -> Result<(), String> {
        match letter {
            'b' => self.take_mode(value)?,
            'q' => self.take_queue(value)?,
            'B' => {
                self.eight_bit = value.eq_ignore_ascii_case("8BITMIME");
                if !self.eight_bit && !value.eq_ignore_ascii_case("7BIT") {
                    return Err("-B option needs 8BITMIME or 7BIT".to_owned());
                }
            }
            'C' => self.directory = Some(value.into()),
            'F' => self.full_name = Some(value.to_owned()),
            'f' | 'r' => self.sender = Some(value.to_owned()),
            'I' => self.mode = Mode::Newaliases,
            'N' => match notify_flags(value) {
                Ok(flags) => self.notify = flags,
                Err(unknown) => {
                    if let Some(word) = unknown {
                        msg.warn(format!("unknown DSN NOTIFY command value \"{word}\" in \"{value}\"")).await;
                    }
                    msg.warn("bad -N option value -- ignored").await;
                }
            },
            'R' => match value.to_ascii_lowercase().as_str() {
                "full" => self.ret = Some(true),
                "hdrs" => self.ret = Some(false),
                _ => msg.warn("bad -R option value -- ignored").await,
            },
            'n' => return Err("-n option not supported".to_owned()),
            'V' => self.envid = Some(value.to_owned()),
            'X' => return Err(format!("unsupported: -X{}", value.chars().next().unwrap_or_default())),
            'o' if value.starts_with('i') => self.ignore_dot = true,
            'i' => self.ignore_dot = true,
            't' => self.extract = true,
            'v' => self.verbose += 1,
            _ => {}
        }
        Ok(())
    }

    fn take_mode(&mut self, value: &str) -> Result<(), String> {
        self.mode = match value.chars().next().unwrap_or_default() {
            'd' | 'l' => Mode::Daemon,
            'h' | 'H' => Mode::Nothing,
            'i' => Mode::Newaliases,
            'm' => Mode::Enqueue,
            'p' => Mode::Mailq,
            's' => Mode::Smtp,
            'v' => {
                self.verify = true;
                Mode::Enqueue
            }
            other => return Err(format!("unsupported: -b{other}")),
        };
        Ok(())
    }

    fn take_queue(&mut self, value: &str) -> Result<(), String> {
        let first = value.chars().next();
        self.mode = Mode::Flush;
        match first {
            None => {}
            // `-qTIME` starts a queue runner elsewhere; master does that here.
            Some('0'..='9') => self.mode = Mode::Nothing,
            Some('R') => self.flush_site = Some(value[1..].to_owned()),
            Some('I') => self.flush_id = Some(value[1..].to_owned()),
            Some(other) => return Err(format!("-q{other} is not implemented")),
        }
        Ok(())
    }

    /// What cannot be asked for together.
    fn conflict(&self) -> Option<&'static str> {
        let named = !self.recipients.is_empty();
        Some(match self.mode {
            Mode::Enqueue if self.verify && self.extract => "-t option cannot be used with -bv",
            Mode::Enqueue if self.verify && self.notify != 0 => "-N option cannot be used with -bv",
            Mode::Enqueue if self.verify && self.ret.is_some() => "-R option cannot be used with -bv",
            Mode::Enqueue if self.verify && self.verbose == 1 => "-v option cannot be used with -bv",
            Mode::Enqueue => return None,
            _ if self.flush_site.is_some() && self.mode != Mode::Flush => {
                "-qR can be used only in delivery mode"
            }
            _ if self.flush_id.is_some() && self.mode != Mode::Flush => {
                "-qI can be used only in delivery mode"
            }
            _ if self.extract => "-t can be used only in delivery mode",
            Mode::Flush if named && self.flush_site.is_some() => "flush site requires no recipient",
            Mode::Flush if named && self.flush_id.is_some() => "flush queue_id requires no recipient",
            Mode::Mailq if named => "display queue mode requires no recipient",
            Mode::Newaliases if named => "alias initialization mode requires no recipient",
            Mode::Smtp if named => "stand-alone mode requires no recipient",
            Mode::Daemon if named => "daemon mode requires no recipient",
            Mode::Flush if named => "flush queue mode requires no recipient",
            _ => return None,
        })
    }
}

/// The conditions of RFC 3461 (section 4.1), or the word that is none.
fn notify_flags(text: &str) -> Result<u8, Option<&str>> {
    let mut flags = 0;
    for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
        flags |= match word.to_ascii_lowercase().as_str() {
            "never" => notify::NEVER,
            "success" => notify::SUCCESS,
            "failure" => notify::FAILURE,
            "delay" => notify::DELAY,
            _ => return Err(Some(word)),
        };
    }
    let contradicts_itself = flags & notify::NEVER != 0 && flags != notify::NEVER;
    if flags == 0 || contradicts_itself { Err(None) } else { Ok(flags) }
}

//! The commands of the lab: what begins with a colon. One table says what there is; `:help` is
//! made of it, and so is completion.

use super::act::Act;
use super::compare::Summary;
use super::lab::{Setting, Stop};
use super::session::{Answer, Refusal, Session};
use super::{look, save};
use crate::postfix::config::parameters;
use crate::scenario::load;
use crate::scenario::problem::did_you_mean;
use crate::world::clock::{Duration, Time};

/// A command of the lab.
pub struct Command {
    /// Its name, without the colon.
    pub name: &'static str,
    /// What stands behind the name.
    pub arguments: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// The same at length, for `:help NAME`.
    pub more: &'static str,
    /// What stands in which place behind the name, for completion.
    pub completes: Completes,
    /// Does it.
    run: Run,
}

/// Who does a command.
enum Run {
    /// The lab.
    Lab(fn(&mut Session, &str) -> Done),
    /// The guide that added it.
    Guide,
}

impl Command {
    /// A command that a guide adds, and does.
    pub const fn of_guide(
        name: &'static str,
        arguments: &'static str,
        about: &'static str,
        more: &'static str,
    ) -> Command {
        Command { name, arguments, about, more, completes: Completes::Nothing, run: Run::Guide }
    }
}

/// What can stand behind a command's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completes {
    /// Nothing that is known.
    Nothing,
    /// A host's name.
    Hosts,
    /// Another command.
    Commands,
    /// A kind of fault.
    Faults,
}

/// What a command answers, or why it does not.
pub type Done = Result<Answer, Refusal>;

/// How long `:until` looks ahead where nothing else is said.
const AHEAD: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// All commands, in the order in which `:help` shows them.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "help",
        arguments: "[COMMAND]",
        about: "this list, or more about one",
        more: "Without a name: all commands of the lab. What does not begin with a colon is typed at the host you sit at.\nA line that is to begin with a colon there begins with two.",
        completes: Completes::Commands,
        run: Run::Lab(help),
    },
    Command {
        name: "hosts",
        arguments: "",
        about: "who is who, what runs, what waits",
        more: "A line a host: its address, its services, its people, and how many letters wait in its queue.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, _| Ok(Answer::note(look::hosts(s.lab())))),
    },
    Command {
        name: "go",
        arguments: "HOST [USER]",
        about: "sit down at another host",
        more: "Opens a terminal there, or goes back to the one you left. The first letters of a name will do. Without USER: the host's first user, else root.",
        completes: Completes::Hosts,
        run: Run::Lab(go),
    },
    Command {
        name: "time",
        arguments: "",
        about: "what time it is, and what is due",
        more: "The virtual clock moves only when something happens in the lab, or when you let time pass.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, _| Ok(Answer::note(look::time(s.lab())))),
    },
    Command {
        name: "wait",
        arguments: "TIME",
        about: "let time pass: 30s, 5m, 2h, 1d12h",
        more: "Everything that is due meanwhile happens: retries, time-outs, what other hosts do.",
        completes: Completes::Nothing,
        run: Run::Lab(wait),
    },
    Command {
        name: "until",
        arguments: "TEXT [within TIME]",
        about: "let time pass until this happens",
        more: "TEXT is looked for in every event as :trace shows it: a log line, a reply, a queue id, a file. Five days at most, unless you say otherwise.",
        completes: Completes::Nothing,
        run: Run::Lab(until),
    },
    Command {
        name: "freeze",
        arguments: "",
        about: "stop time; :thaw lets it go on",
        more: "Nothing moves but what you step. Commands that you type still run, alone, in no time at all: what they set going (a letter for the queue) stands until you step it. The prompt shows the clock.",
        completes: Completes::Nothing,
        run: Run::Lab(freeze),
    },
    Command {
        name: "thaw",
        arguments: "",
        about: "let time go on",
        more: "The world runs on until nothing is going on, at most for a second.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, _| Ok(s.act(Act::Thaw))),
    },
    Command {
        name: "step",
        arguments: "[N]",
        about: "let one event happen, or N",
        more: "Each is shown in a line. Time stands before and after.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, args| Ok(s.act(Act::Step(count(args)?)))),
    },
    Command {
        name: "next",
        arguments: "[N]",
        about: "on to the next hand-over of a letter",
        more: "From one program to the next: postdrop to pickup, pickup to cleanup, a queue to another, a delivery. Time stands before and after.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, args| Ok(s.act(Act::Next(count(args)?)))),
    },
    Command {
        name: "break",
        arguments: "TEXT|off",
        about: "stop time where this happens",
        more: "TEXT is looked for in every event as :trace shows it: a daemon, a queue id, a log text, a reply code. `:break off` forgets all; `:break` alone lists them.",
        completes: Completes::Nothing,
        run: Run::Lab(breaks),
    },
    Command {
        name: "queue",
        arguments: "",
        about: "every letter on its way, on every host",
        more: "Where it is, what it waits for, until when. (mailq shows one host's, as its administrator sees it.)",
        completes: Completes::Nothing,
        run: Run::Lab(|s, _| Ok(Answer::note(look::queue(s.lab())))),
    },
    Command {
        name: "flow",
        arguments: "[ID]",
        about: "a letter's way, as a picture",
        more: "From program to program and host to host. Without a queue id: the newest letter.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, args| look::flow(s.lab(), args).map(Answer::note)),
    },
    Command {
        name: "trace",
        arguments: "[TEXT]",
        about: "what happened, an event a line",
        more: "Only events with TEXT in their line, where one is given: a host, a program, a queue id, a reply. The last 40; `:trace all TEXT` for all of them.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, args| Ok(Answer::note(look::trace(s.lab(), args)))),
    },
    Command {
        name: "why",
        arguments: "[WHAT]",
        about: "why the last answer was given",
        more: "Or why of a queue id, an address, a log line, a file: what was decided, by which setting, set where, and what would have changed it.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, args| look::why(s.lab(), args).map(Answer::note)),
    },
    Command {
        name: "what-if",
        arguments: "HOST: SETTING = VALUE",
        about: "the same session with another setting",
        more: "Runs all that you did again, in a copy, with that line behind HOST's main.cf, and shows what differs. :keep goes on in the copy.",
        completes: Completes::Hosts,
        run: Run::Lab(what_if),
    },
    Command {
        name: "keep",
        arguments: "",
        about: "go on in what :what-if has shown",
        more: "The present run is left; :diff still compares with it.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, _| s.keep().map(|()| Answer::note("Kept."))),
    },
    Command {
        name: "fault",
        arguments: "KIND: HOST …",
        about: "break something",
        more: "As in a scenario: `refuse: HOST PORT`, `drop: [HOST, HOST]`, `{delay: HOST, by: 5s}`, `partition: [HOST, …]`, `disk_full: HOST`, `dns_servfail: HOST`, `dns_silent: HOST`.",
        completes: Completes::Faults,
        run: Run::Lab(|s, args| fault(s, args, false)),
    },
    Command {
        name: "heal",
        arguments: "[KIND: HOST …]",
        about: "mend it, or everything",
        more: "With the words of the :fault it ends that one; alone it ends all.",
        completes: Completes::Faults,
        run: Run::Lab(|s, args| fault(s, args, true)),
    },
    Command {
        name: "undo",
        arguments: "[N]",
        about: "take back what you did last",
        more: "The session runs again without its last N lines. What had happened since is gone; :diff shows it.",
        completes: Completes::Nothing,
        run: Run::Lab(undo),
    },
    Command {
        name: "rewind",
        arguments: "TIME|EVENT",
        about: "go back to a moment",
        more: "To a time of today (14:45:09 or 14:45:09.003), or to an event by its number in :trace. Time stands there.",
        completes: Completes::Nothing,
        run: Run::Lab(rewind),
    },
    Command {
        name: "diff",
        arguments: "",
        about: "what differs from before that",
        more: "Compares this run with the one that :undo, :rewind, :reset or :keep left: replies, logs, mailboxes, queues.",
        completes: Completes::Nothing,
        run: Run::Lab(diff),
    },
    Command {
        name: "save",
        arguments: "FILE.yaml",
        about: "keep the session as a scenario",
        more: "What you typed becomes its steps, what was printed its expectations; `maillab run FILE.yaml` runs it.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, args| save::save(s, args).map(Answer::note)),
    },
    Command {
        name: "export",
        arguments: "FORMAT FILE",
        about: "as text, jsonl, mermaid, svg, html",
        more: "Writes what happened so far to a file outside the lab: the trace as text, JSON Lines or a page; the newest letter's way as a diagram for Mermaid, or as an SVG picture.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, args| save::export(s, args).map(Answer::note)),
    },
    Command {
        name: "load",
        arguments: "FILE.yaml",
        about: "another scenario's hosts",
        more: "The present session is left.",
        completes: Completes::Nothing,
        run: Run::Lab(open),
    },
    Command {
        name: "reset",
        arguments: "",
        about: "begin again",
        more: "The hosts as they were at the start.",
        completes: Completes::Nothing,
        run: Run::Lab(|s, _| s.reset().map(|()| Answer::note("As at the start."))),
    },
    Command {
        name: "quit",
        arguments: "",
        about: "leave the lab",
        more: "Ctrl-D at a shell's prompt does the same.",
        completes: Completes::Nothing,
        run: Run::Lab(|_, _| Ok(Answer { leave: true, ..Answer::default() })),
    },
];

/// Does what stands behind the colon.
///
/// # Errors
/// Why it is not done, and what would be.
pub fn run(session: &mut Session, text: &str) -> Done {
    let (name, rest) = text.split_once(|c: char| c.is_whitespace()).unwrap_or((text, ""));
    let name = name.trim_end_matches(':');
    let rest = rest.trim();
    let name = if name == "?" { "help" } else { name };
    let command = find(name, session.added())?;
    if command.arguments.is_empty() && !rest.is_empty() {
        return Err(format!(":{} takes nothing behind it.", command.name));
    }
    match command.run {
        Run::Lab(run) => run(session, rest),
        Run::Guide => session.guided(command.name, rest),
    }
}

/// The commands there are: those that a guide has added, then the lab's, less those that are
/// replaced.
pub fn all(added: &'static [Command]) -> Vec<&'static Command> {
    let own = COMMANDS.iter().filter(|c| added.iter().all(|a| a.name != c.name));
    added.iter().chain(own).collect()
}

/// A command by its name or an unambiguous beginning of it.
fn find(name: &str, added: &'static [Command]) -> Result<&'static Command, Refusal> {
    let all = all(added);
    if let Some(command) = all.iter().find(|c| c.name == name) {
        return Ok(command);
    }
    let begin: Vec<&Command> = all.iter().copied().filter(|c| c.name.starts_with(name)).collect();
    match begin.as_slice() {
        [one] => Ok(one),
        [] => {
            let near = did_you_mean(name, all.iter().map(|c| c.name));
            let hint =
                near.map_or("`:help` lists what there is.".to_owned(), |n| format!("Did you mean `:{n}`?"));
            Err(format!("There is no `:{name}`. {hint}"))
        }
        several => {
            let names: Vec<String> = several.iter().map(|c| format!(":{}", c.name)).collect();
            Err(format!("`:{name}` may be {}.", names.join(" or ")))
        }
    }
}

fn help(s: &mut Session, args: &str) -> Done {
    if !args.is_empty() {
        let command = find(args.trim_start_matches(':'), s.added())?;
        return Ok(Answer::note(format!(
            ":{} {}\n{}",
            command.name,
            command.arguments,
            wrapped(command.more)
        )));
    }
    let mut out = String::new();
    // Two columns, so that it fits a screen.
    let all = all(s.added());
    let half = all.len().div_ceil(2);
    for n in 0..half {
        let left = all.get(n).map_or_else(String::new, |c| entry(c));
        let right = all.get(n + half).map_or_else(String::new, |c| entry(c));
        out.push_str(format!("{left:<50}{right}").trim_end());
        out.push('\n');
    }
    out.push_str("\n:help COMMAND says more. Ctrl-C ends what runs, Ctrl-D leaves.\n");
    Ok(Answer::note(out))
}

fn entry(command: &Command) -> String {
    format!(":{:<8} {}", command.name, command.about)
}

/// A text in lines of 78 columns.
pub fn wrapped(text: &str) -> String {
    let mut out = String::new();
    for paragraph in text.lines() {
        let mut width = 0;
        for word in paragraph.split(' ') {
            if width > 0 && width + word.chars().count() >= 76 {
                out.push('\n');
                width = 0;
            }
            out.push_str(if width == 0 { "  " } else { " " });
            out.push_str(word);
            width += word.chars().count() + 1;
        }
        out.push('\n');
    }
    out
}

fn go(s: &mut Session, args: &str) -> Done {
    let mut words = args.split_whitespace();
    let (Some(name), user, None) = (words.next(), words.next(), words.next()) else {
        return Err("Which host? :go HOST [USER]; :hosts lists them.".to_owned());
    };
    let host = known_host(s, name)?;
    let people = s.lab().scenario().hosts.get(&host).map(|h| h.users.keys().cloned().collect::<Vec<_>>());
    let people = people.unwrap_or_default();
    let user =
        user.map(str::to_owned).or_else(|| people.first().cloned()).unwrap_or_else(|| "root".to_owned());
    let exists = s.lab().world().host(&host).is_some_and(|h| h.login(&user).is_ok());
    if !exists {
        return Err(format!("There is no user `{user}` on {host}; there are {}root.", list(&people)));
    }
    Ok(s.act(Act::Go { host, user }))
}

fn list(people: &[String]) -> String {
    people.iter().map(|p| format!("{p}, ")).collect()
}

/// A host by its name or an unambiguous beginning.
fn known_host(s: &Session, name: &str) -> Result<String, Refusal> {
    let hosts = &s.lab().scenario().hosts;
    if hosts.contains_key(name) {
        return Ok(name.to_owned());
    }
    let begin: Vec<&String> = hosts.keys().filter(|h| h.starts_with(name)).collect();
    match begin.as_slice() {
        [one] => Ok((*one).clone()),
        [_, _, ..] => {
            let names: Vec<&str> = begin.iter().map(|h| h.as_str()).collect();
            Err(format!("`{name}` may be {}.", names.join(" or ")))
        }
        [] => {
            let near = did_you_mean(name, hosts.keys().map(String::as_str));
            let hint = near.map_or_else(
                || format!("The hosts are {}.", load::some_of(hosts.keys())),
                |n| format!("Did you mean `{n}`?"),
            );
            Err(format!("There is no host `{name}`. {hint}"))
        }
    }
}

fn span(text: &str) -> Result<Duration, Refusal> {
    load::parse_duration(text)
        .ok_or_else(|| format!("`{text}` is not a span of time; one is written 30s, 5m, 2h or 1d12h."))
}

fn wait(s: &mut Session, args: &str) -> Done {
    if args.is_empty() {
        return Err("How long? :wait 30s, 5m, 2h, 1d12h.".to_owned());
    }
    let time = span(args)?;
    let mut answer = s.act(Act::Wait(time));
    answer.notes.push_str(&format!("It is {}.\n", s.lab().world().now()));
    Ok(answer)
}

fn until(s: &mut Session, args: &str) -> Done {
    let (pattern, within) = match args.rsplit_once(" within ") {
        Some((pattern, time)) => (pattern.trim(), span(time.trim())?),
        None => (args, AHEAD),
    };
    if pattern.is_empty() {
        return Err("Until what? :until TEXT, such as a queue id or `status=sent`.".to_owned());
    }
    Ok(s.act(Act::Until { pattern: pattern.to_owned(), within }))
}

fn freeze(s: &mut Session, _: &str) -> Done {
    let mut answer = s.act(Act::Freeze);
    let now = s.lab().world().now();
    answer.notes.push_str(&format!("Time stands at {now}.  :next a hand-over, :step an event, :thaw\n"));
    Ok(answer)
}

fn count(args: &str) -> Result<u32, Refusal> {
    match args {
        "" => Ok(1),
        _ => match args.parse() {
            Ok(n) if (1..=10_000).contains(&n) => Ok(n),
            _ => Err(format!("`{args}` is not a number from 1 to 10000.")),
        },
    }
}

fn breaks(s: &mut Session, args: &str) -> Done {
    match args {
        "" => {
            let all = s.lab().breaks();
            Ok(Answer::note(match all {
                [] => "Time stops nowhere. :break TEXT stops it.".to_owned(),
                _ => format!("Time stops at: {}", all.join("; ")),
            }))
        }
        "off" => Ok(s.act(Act::NoBreaks)),
        text => {
            let mut answer = s.act(Act::Break(text.to_owned()));
            answer.notes.push_str(&format!("Time will stop where `{text}` happens.\n"));
            Ok(answer)
        }
    }
}

fn what_if(s: &mut Session, args: &str) -> Done {
    const FORM: &str = ":what-if HOST: SETTING = VALUE";
    let (host, line) = args.split_once(':').ok_or(format!("What if what? {FORM}"))?;
    let host = known_host(s, host.trim())?;
    let (name, value) = line.split_once('=').ok_or(format!("A setting has a name and a value: {FORM}"))?;
    let (name, value) = (name.trim(), value.trim());
    if parameters::find(name).is_none() && parameters::of_service(name).is_none() {
        let near = did_you_mean(name, parameters::all().iter().map(|p| p.name));
        let hint = near.map_or(String::new(), |n| format!(" Did you mean `{n}`?"));
        return Err(format!("Postfix has no parameter `{name}`.{hint}"));
    }
    let differences = s.what_if(Setting { host, line: format!("{name} = {value}") })?;
    if differences.is_empty() {
        return Ok(Answer::note("The same session again, with that line in main.cf: nothing differs.\n"));
    }
    Ok(Answer::note(format!(
        "The same session again, with that line in main.cf:\n{differences}Nothing else differs. Keep it?  :keep\n"
    )))
}

fn fault(s: &mut Session, args: &str, heal: bool) -> Done {
    if args.is_empty() || args == "all" {
        return match heal {
            true => Ok(s.act(Act::Heal(None))),
            false => Err("Break what? :fault refuse: HOST PORT; `:help fault` has the others.".to_owned()),
        };
    }
    let trouble = load::fault(args, &s.lab().scenario().hosts).map_err(|p| {
        let hint = if p.label.is_empty() { String::new() } else { format!(" ({})", p.label) };
        format!("{}{hint}; `:help fault` shows how they are written.", p.message)
    })?;
    let said = if heal { format!("Mended: {trouble}.\n") } else { format!("From now on {trouble}.\n") };
    let mut answer = s.act(if heal { Act::Heal(Some(trouble)) } else { Act::Fault(trouble) });
    answer.notes.push_str(&said);
    Ok(answer)
}

fn undo(s: &mut Session, args: &str) -> Done {
    let n = count(args)?;
    s.undo(n as usize).map(Answer::note)
}

fn rewind(s: &mut Session, args: &str) -> Done {
    if let Ok(n) = args.trim_start_matches('#').parse::<u32>() {
        return s.rewind(Stop::Event(n)).map(Answer::note);
    }
    let now = s.lab().world().now();
    let time = Time::today(now, args)
        .ok_or_else(|| format!("`{args}` is no time (14:45:09, 14:45:09.003) and no event's number."))?;
    s.rewind(Stop::Time(time)).map(Answer::note)
}

fn diff(s: &mut Session, _: &str) -> Done {
    let Some(before) = &s.before else {
        return Err("There is no run to compare with; :undo, :rewind, :reset and :keep leave one.".to_owned());
    };
    let differences = before.differences(&Summary::of(s.lab()));
    Ok(Answer::note(if differences.is_empty() { "Nothing differs.\n".to_owned() } else { differences }))
}

fn open(s: &mut Session, args: &str) -> Done {
    if args.is_empty() {
        return Err("Which? :load FILE.yaml".to_owned());
    }
    s.load(args)?;
    Ok(Answer::note(look::hosts(s.lab())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_commands_get_a_suggestion() {
        let said = |name| find(name, &[]).err().unwrap_or_default();
        assert_eq!(said("frezee"), "There is no `:frezee`. Did you mean `:freeze`?");
        assert_eq!(said("wh"), "`:wh` may be :why or :what-if.");
        assert!(said("xyzzy").contains(":help"));
        assert_eq!(find("q", &[]).err(), Some("`:q` may be :queue or :quit.".to_owned()));
        assert!(find("fl", &[]).is_ok_and(|c| c.name == "flow"));
    }

    #[test]
    fn all_commands_fit_a_screen() {
        let half = COMMANDS.len().div_ceil(2);
        assert!(half + 4 <= 24);
        for command in COMMANDS {
            assert!(entry(command).chars().count() <= 49, "{}", command.name);
        }
    }
}

//! The steps of a scenario: conversations, commands, waits, faults.

use super::{Field, Fields, Loader};
use crate::proto::address;
use crate::scenario::model::{Act, Chat, Host, Placed, Shell, Step, Trouble, Until};
use crate::scenario::problem::{Problem, did_you_mean};
use crate::scenario::yaml::{self, Kind, Node};
use crate::world::clock::Duration;
use indexmap::IndexMap;
use std::net::IpAddr;

const STEP: [&str; 12] =
    ["host", "as", "shell", "telnet", "tls", "chat", "source", "wait", "note", "fault", "heal", "until"];
const ACTS: [&str; 7] = ["shell", "chat", "wait", "note", "fault", "heal", "until"];
const FAULTS: [&str; 7] = ["refuse", "drop", "delay", "partition", "disk_full", "dns_servfail", "dns_silent"];

impl Loader<'_> {
    /// A step.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn step(&self, node: &Node, hosts: &IndexMap<String, Host>) -> Result<Step, Problem> {
        let fields = self.fields(node, "a step", &STEP)?;
        let acts: Vec<Field<'_>> = fields.all.iter().copied().filter(|f| ACTS.contains(&f.name)).collect();
        let (what, value) = match acts.as_slice() {
            [one] => (one.name, one.value),
            [] => {
                let at = node.span.start..node.span.start + 1;
                return Err(Problem::new(at, "this step does nothing")
                    .expected("one of shell, telnet with chat, wait, note, fault, heal, until"));
            }
            [first, second, ..] => {
                return Err(Problem::new(second.key.span.clone(), "this step does two things")
                    .also(first.key.span.clone(), "the first")
                    .expected("a step for each"));
            }
        };
        let allowed: &[&str] = match what {
            "shell" => &["host", "as", "shell"],
            "chat" => &["host", "telnet", "tls", "chat", "source"],
            _ => &[what],
        };
        if let Some(f) = fields.all.iter().find(|f| !allowed.contains(&f.name)) {
            let message = format!("`{}` has no meaning beside `{what}`", f.name);
            return Err(Problem::new(f.key.span.clone(), message).expected(match allowed {
                [_] => format!("`{what}` alone"),
                _ => format!("only {}", allowed.join(", ")),
            }));
        }
        let act = match what {
            "shell" => Act::Shell(self.shell(&fields, value, hosts)?),
            "chat" => Act::Chat(self.chat(&fields, value, hosts)?),
            "wait" => Act::Wait { time: self.duration(value)?, text: self.scalar(value)?.to_owned() },
            "note" => Act::Note(self.text(value)?),
            "fault" => Act::Fault(self.trouble(value, hosts)?),
            "heal" => match &value.kind {
                Kind::Scalar { text, .. } if text == "all" => Act::Heal(None),
                _ => Act::Heal(Some(self.trouble(value, hosts)?)),
            },
            _ => Act::Until(self.until(value, hosts)?),
        };
        Ok(Step { act, span: node.span.clone() })
    }

    fn known_host(&self, node: &Node, hosts: &IndexMap<String, Host>) -> Result<String, Problem> {
        let name = self.scalar(node)?;
        if hosts.contains_key(name) {
            return Ok(name.to_owned());
        }
        let mut problem = Problem::new(node.span.clone(), format!("there is no host `{name}`"));
        problem.label = match did_you_mean(name, hosts.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "expected one of the hosts above".to_owned(),
        };
        Err(problem.note(format!("the hosts are {}", some_of(hosts.keys()))))
    }

    fn shell(
        &self,
        fields: &Fields<'_>,
        value: &Node,
        hosts: &IndexMap<String, Host>,
    ) -> Result<Shell, Problem> {
        let host = self.known_host(fields.require("host", "a shell step")?, hosts)?;
        let user = match fields.find("as") {
            Some(n) => {
                let user = self.scalar(n)?;
                let known = user == "root" || hosts.get(&host).is_some_and(|h| h.users.contains_key(user));
                if !known {
                    return Err(Problem::new(n.span.clone(), format!("there is no user `{user}` on {host}"))
                        .expected("root, or one of its users"));
                }
                user.to_owned()
            }
            None => "root".to_owned(),
        };
        self.scalar(value)?;
        let mut commands: Vec<(Placed<String>, Vec<Placed<String>>)> = Vec::new();
        for (line, span) in yaml::text_lines(self.source, value) {
            let more = line.strip_prefix("> ").or((line == ">").then_some(""));
            match (line.strip_prefix("$ "), more, commands.last_mut()) {
                (Some(command), ..) => {
                    commands.push((Placed { value: command.to_owned(), span }, Vec::new()))
                }
                (None, Some(more), Some((command, expected))) if expected.is_empty() => {
                    command.value.push('\n');
                    command.value.push_str(more);
                }
                (None, _, Some((_, expected))) => expected.push(Placed { value: line, span }),
                (None, _, None) if line.trim().is_empty() => {}
                (None, _, None) => {
                    return Err(Problem::new(span, "no command stands before this line")
                        .expected("`$ ` and a command"));
                }
            }
        }
        trim_empty_ends(commands.iter_mut().map(|(_, e)| e));
        Ok(Shell { host, user, commands })
    }

    fn chat(
        &self,
        fields: &Fields<'_>,
        value: &Node,
        hosts: &IndexMap<String, Host>,
    ) -> Result<Chat, Problem> {
        let host = self.known_host(fields.require("host", "a conversation")?, hosts)?;
        let (tls, target) = match (fields.find("telnet"), fields.find("tls")) {
            (Some(n), None) => (false, n),
            (None, Some(n)) => (true, n),
            (Some(_), Some(n)) => {
                return Err(Problem::new(n.span.clone(), "the conversation calls two servers")
                    .expected("telnet or tls"));
            }
            (None, None) => {
                return Err(Problem::new(value.span.clone(), "the conversation calls nobody")
                    .expected("`telnet: HOST PORT` beside it"));
            }
        };
        let text = self.scalar(target)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let expected = "a host and a port: mx.example.com 25";
        let [to, port] = words.as_slice() else {
            return Err(Problem::new(target.span.clone(), format!("`{text}` is not a host and a port"))
                .expected(expected));
        };
        let port = port.parse().map_err(|_| {
            Problem::new(target.span.clone(), format!("`{port}` is not a port")).expected(expected)
        })?;
        let is_address = to.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if !is_address && !address::is_valid_hostname(to) {
            return Err(Problem::new(target.span.clone(), format!("`{to}` is not a host")).expected(expected));
        }
        let source = fields.find("source").map(|n| self.address(n)).transpose()?;
        let mut chat =
            Chat { host, to: (*to).to_owned(), port, tls, source, greeting: Vec::new(), lines: Vec::new() };
        self.scalar(value)?;
        for (line, span) in yaml::text_lines(self.source, value) {
            let expected = chat.lines.last_mut().map_or(&mut chat.greeting, |(_, e)| e);
            // The mark of a report stands under what is said, not under who says it.
            let place = |text: &str| span.end.saturating_sub(text.len()).max(span.start)..span.end;
            if let Some(text) = line.strip_prefix("C:") {
                let text = text.strip_prefix(' ').unwrap_or(text);
                chat.lines.push((Placed { value: text.to_owned(), span: place(text) }, Vec::new()));
            } else if let Some(text) = line.strip_prefix("S:") {
                let text = text.strip_prefix(' ').unwrap_or(text);
                expected.push(Placed { value: text.to_owned(), span: place(text) });
            } else if let Some(text) = line.strip_prefix("! ") {
                expected.push(Placed { value: text.to_owned(), span: place(text) });
            } else if !line.trim().is_empty() {
                return Err(Problem::new(span, "this line is said by nobody")
                    .expected("`C: ` for what is sent, `S: ` for what must come back"));
            }
        }
        Ok(chat)
    }

    fn until(&self, node: &Node, hosts: &IndexMap<String, Host>) -> Result<Until, Problem> {
        let fields = self.fields(node, "until", &["host", "log", "within"])?;
        let host = self.known_host(fields.require("host", "until")?, hosts)?;
        let log = fields.require("log", "until")?;
        let within = fields.find("within").map_or(Ok(Duration::from_secs(3600)), |n| self.duration(n))?;
        Ok(Until { host, log: self.text(log)?, within, span: log.span.clone() })
    }

    pub(super) fn trouble(&self, node: &Node, hosts: &IndexMap<String, Host>) -> Result<Trouble, Problem> {
        let fields = self.fields(node, "a fault", &[&FAULTS[..], &["by"]].concat())?;
        let kinds: Vec<_> = fields.all.iter().filter(|f| f.name != "by").collect();
        let [Field { name: kind, value, .. }] = kinds.as_slice() else {
            return Err(Problem::new(node.span.clone(), "a fault is one thing")
                .expected(format_args!("one of {}", FAULTS.join(", "))));
        };
        if let Some(by) = fields.all.iter().find(|f| f.name == "by" && *kind != "delay") {
            let message = format!("`by` has no meaning beside `{kind}`");
            return Err(Problem::new(by.key.span.clone(), message).expected("`by` beside `delay` only"));
        }
        let names = || -> Result<Vec<String>, Problem> {
            match &value.kind {
                Kind::List(items) => items.iter().map(|n| self.known_host(n, hosts)).collect(),
                _ => Ok(vec![self.known_host(value, hosts)?]),
            }
        };
        let pair = || -> Result<(String, Option<String>), Problem> {
            let mut names = names()?.into_iter();
            let host = names.next().ok_or_else(|| self.wrong(value, "a host, or two"))?;
            let other = names.next();
            if names.next().is_some() {
                return Err(self.wrong(value, "a host, or two"));
            }
            Ok((host, other))
        };
        Ok(match *kind {
            "refuse" => self.refuse(value, hosts)?,
            "drop" => {
                let (host, other) = pair()?;
                Trouble::Drop { host, other }
            }
            "delay" => {
                let (host, other) = pair()?;
                Trouble::Delay { host, other, by: self.duration(fields.require("by", "a delay")?)? }
            }
            "partition" => match names()? {
                hosts if hosts.is_empty() => return Err(self.wrong(value, "the hosts that are cut off")),
                hosts => Trouble::Partition(hosts),
            },
            "disk_full" => Trouble::DiskFull(self.known_host(value, hosts)?),
            "dns_servfail" => Trouble::DnsFails(self.known_host(value, hosts)?),
            _ => Trouble::DnsSilent(self.known_host(value, hosts)?),
        })
    }

    fn refuse(&self, node: &Node, hosts: &IndexMap<String, Host>) -> Result<Trouble, Problem> {
        let text = self.scalar(node)?;
        let (name, port) = text.split_once(' ').map_or((text, None), |(n, p)| (n, Some(p.trim())));
        let port = port
            .map(|p| {
                p.parse().map_err(|_| {
                    Problem::new(node.span.clone(), format!("`{p}` is not a port"))
                        .expected("a host and perhaps a port")
                })
            })
            .transpose()?;
        let host = Node {
            span: node.span.clone(),
            kind: Kind::Scalar { text: name.to_owned(), plain: true, block: false },
        };
        Ok(Trouble::Refuse { host: self.known_host(&host, hosts)?, port })
    }
}

/// The first of many names, so that a message stays one.
pub fn some_of<'n>(names: impl ExactSizeIterator<Item = &'n String>) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// Empty lines at the end of what is expected belong to the layout of the file.
fn trim_empty_ends<'e>(all: impl Iterator<Item = &'e mut Vec<Placed<String>>>) {
    for expected in all {
        while expected.last().is_some_and(|l| l.value.trim().is_empty()) {
            expected.pop();
        }
    }
}

//! From a file to a [`Scenario`]: every key known, every value of its kind, every name of a host
//! one that is there.

use super::model::{
    Act, Chat, File, Host, Placed, Scenario, Service, Shell, Span, Step, Trouble, Until, User,
};
use super::problem::{Problem, did_you_mean};
use super::yaml::{self, Kind, Node};
use crate::proto::address;
use crate::proto::dns::Zone;
use crate::world::clock::{Duration, Time};
use indexmap::IndexMap;
use std::net::IpAddr;

const TOP: [&str; 7] = ["title", "summary", "clock", "seed", "dns", "hosts", "steps"];
const HOST: [&str; 4] = ["address", "users", "services", "files"];
const STEP: [&str; 13] = [
    "host", "as", "shell", "telnet", "tls", "chat", "source", "wait", "note", "fault", "heal", "until",
    "inspect",
];

/// Reads a scenario.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn load(source: &str) -> Result<Scenario, Problem> {
    let root = yaml::parse(source)?;
    Loader { source }.scenario(&root)
}

struct Loader<'s> {
    source: &'s str,
}

/// The pairs of a map whose keys have been checked.
struct Fields<'n> {
    span: Span,
    pairs: Vec<(&'n str, &'n Node)>,
}

impl<'n> Fields<'n> {
    fn find(&self, key: &str) -> Option<&'n Node> {
        self.pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
    }

    fn require(&self, key: &str, what: &str) -> Result<&'n Node, Problem> {
        self.find(key).ok_or_else(|| {
            let head = self.span.start..(self.span.start + 1).min(self.span.end);
            Problem::new(head, format!("{what} has no `{key}`"))
        })
    }
}

impl Loader<'_> {
    fn scenario(&self, root: &Node) -> Result<Scenario, Problem> {
        let fields = self.fields(root, "a scenario", &TOP)?;
        let title = self.text(fields.require("title", "the scenario")?)?;
        let summary = fields.find("summary").map_or(Ok(String::new()), |n| self.text(n))?;
        let clock = fields.find("clock").map_or(Ok(Time::DEFAULT), |n| self.clock(n))?;
        let seed = fields.find("seed").map_or(Ok(1), |n| self.number(n))?;
        let zone = fields.find("dns").map_or(Ok(Zone::default()), |n| self.zone(n))?;
        let hosts = self.hosts(fields.require("hosts", "the scenario")?)?;
        let steps = match fields.find("steps") {
            Some(node) => self
                .list(node, "a list of steps")?
                .iter()
                .map(|n| self.step(n, &hosts))
                .collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        Ok(Scenario { title, summary, clock, seed, zone, hosts, steps })
    }

    fn hosts(&self, node: &Node) -> Result<IndexMap<String, Host>, Problem> {
        let mut hosts = IndexMap::new();
        let mut owners: Vec<(IpAddr, Span)> = Vec::new();
        for (key, value) in self.map(node, "the hosts, each by its name")? {
            let name = self.scalar(key)?;
            if !address::is_valid_hostname(name) {
                return Err(Problem::new(key.span.clone(), format!("`{name}` cannot be the name of a host"))
                    .expected("a name such as mx.example.com"));
            }
            let host = self.host(value, &mut owners)?;
            hosts.insert(name.to_owned(), host);
        }
        Ok(hosts)
    }

    fn host(&self, node: &Node, owners: &mut Vec<(IpAddr, Span)>) -> Result<Host, Problem> {
        let fields = self.fields(node, "a host", &HOST)?;
        let mut host = Host { services: vec![Service::Postfix], ..Host::default() };
        if let Some(node) = fields.find("address") {
            let nodes = match &node.kind {
                Kind::List(items) => items.iter().collect(),
                _ => vec![node],
            };
            for n in nodes {
                let ip = self.address(n)?;
                if let Some((_, first)) = owners.iter().find(|(a, _)| *a == ip) {
                    return Err(Problem::new(n.span.clone(), format!("two hosts have the address {ip}"))
                        .also(first.clone(), "first here")
                        .expected("an address of its own"));
                }
                owners.push((ip, n.span.clone()));
                host.addresses.push(ip);
            }
        }
        if let Some(node) = fields.find("users") {
            host.users = self.users(node)?;
        }
        if let Some(node) = fields.find("services") {
            host.services = self
                .list(node, "a list of services")?
                .iter()
                .map(|n| self.service(n))
                .collect::<Result<_, _>>()?;
        }
        if let Some(node) = fields.find("files") {
            host.files = self.files(node, &host)?;
        }
        Ok(host)
    }

    fn service(&self, node: &Node) -> Result<Service, Problem> {
        match self.scalar(node)? {
            "postfix" => Ok(Service::Postfix),
            "dovecot" => Ok(Service::Dovecot),
            other => Err(Problem::new(node.span.clone(), format!("unknown service `{other}`"))
                .expected("postfix or dovecot")),
        }
    }

    fn address(&self, node: &Node) -> Result<IpAddr, Problem> {
        let text = self.scalar(node)?;
        let bare = text.split_once('/').map_or(text, |(a, _)| a);
        bare.parse().map_err(|_| {
            Problem::new(node.span.clone(), format!("`{text}` is not an address"))
                .expected("an IPv4 or IPv6 address such as 192.0.2.25")
        })
    }

    fn users(&self, node: &Node) -> Result<IndexMap<String, User>, Problem> {
        let mut users = IndexMap::new();
        match &node.kind {
            Kind::List(items) => {
                for n in items {
                    let name = self.user_name(n)?;
                    if users.insert(name, User::default()).is_some() {
                        return Err(Problem::new(n.span.clone(), "this user is named twice")
                            .expected("each user once"));
                    }
                }
            }
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    let mut user = User::default();
                    if !is_empty(value) {
                        let fields = self.fields(value, "a user", &["password", "uid"])?;
                        user.password = fields.find("password").map(|n| self.text(n)).transpose()?;
                        if let Some(n) = fields.find("uid") {
                            let uid = self.number(n)?;
                            user.uid =
                                Some(u32::try_from(uid).ok().filter(|u| (1..65534).contains(u)).ok_or_else(
                                    || {
                                        Problem::new(n.span.clone(), format!("{uid} cannot be a user id"))
                                            .expected("a number from 1 to 65533")
                                    },
                                )?);
                        }
                    }
                    users.insert(self.user_name(key)?, user);
                }
            }
            Kind::Scalar { .. } => {
                return Err(self.wrong(node, "a list of names, or a map of names with password and uid"));
            }
        }
        Ok(users)
    }

    fn user_name(&self, node: &Node) -> Result<String, Problem> {
        let name = self.scalar(node)?;
        if !crate::world::passwd::valid_name(name) {
            return Err(Problem::new(node.span.clone(), format!("`{name}` cannot be the name of a user"))
                .expected("small letters, digits, `-` and `_`"));
        }
        Ok(name.to_owned())
    }

    fn files(&self, node: &Node, host: &Host) -> Result<IndexMap<String, File>, Problem> {
        let mut files = IndexMap::new();
        for (key, value) in self.map(node, "files, each by its path")? {
            let path = self.scalar(key)?;
            let bad = !path.starts_with('/')
                || path.ends_with('/')
                || path.contains("//")
                || path.contains('\0')
                || path.split('/').any(|p| p == "." || p == "..");
            if bad {
                return Err(Problem::new(key.span.clone(), format!("`{path}` is not the path of a file"))
                    .expected("an absolute path"));
            }
            let file = match &value.kind {
                Kind::Map(_) => self.file(value)?,
                _ => File { text: self.text(value)?, ..File::default() },
            };
            if let Some(owner) = &file.owner
                && owner != "root"
                && !host.users.contains_key(owner)
                && !["postfix", "nobody", "mail", "dovecot", "vmail", "daemon", "bin"]
                    .contains(&owner.as_str())
            {
                return Err(Problem::new(
                    value.span.clone(),
                    format!("the owner `{owner}` is no user of this host"),
                ));
            }
            if path == crate::postfix::MAIN_CF {
                let text = text_node(value);
                crate::postfix::config::main_cf::parse(&file.text, path)
                    .map_err(|e| self.in_file(text, path, &e))?;
            }
            files.insert(path.to_owned(), file);
        }
        Ok(files)
    }

    /// A complaint about a line of a file, put to that line of the scenario.
    fn in_file(&self, node: &Node, path: &str, complaint: &str) -> Problem {
        let line = complaint
            .split("line ")
            .nth(1)
            .and_then(|t| t.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok());
        let lines = yaml::text_lines(self.source, node);
        let span =
            line.and_then(|n| lines.get(n.checked_sub(1)?)).map_or(node.span.clone(), |(_, s)| s.clone());
        Problem::new(span, complaint.to_owned())
            .hint(format!("the real program would stop at this line of {path}"))
    }

    fn file(&self, node: &Node) -> Result<File, Problem> {
        let fields = self.fields(node, "a file", &["text", "mode", "owner"])?;
        let mode = match fields.find("mode") {
            Some(n) => {
                let text = self.scalar(n)?;
                let digits = text.trim_start_matches("0o");
                Some(u16::from_str_radix(digits, 8).ok().filter(|m| *m <= 0o7777).ok_or_else(|| {
                    Problem::new(n.span.clone(), format!("`{text}` is not a mode"))
                        .expected("an octal mode such as 644")
                })?)
            }
            None => None,
        };
        Ok(File {
            text: fields.find("text").map_or(Ok(String::new()), |n| self.text(n))?,
            mode,
            owner: fields.find("owner").map(|n| self.text(n)).transpose()?,
        })
    }

    fn step(&self, node: &Node, hosts: &IndexMap<String, Host>) -> Result<Step, Problem> {
        let fields = self.fields(node, "a step", &STEP)?;
        let doing: Vec<(&str, &Node)> = fields
            .pairs
            .iter()
            .copied()
            .filter(|(k, _)| {
                matches!(*k, "shell" | "chat" | "wait" | "note" | "fault" | "heal" | "until" | "inspect")
            })
            .collect();
        let (what, value) = match doing.as_slice() {
            [one] => *one,
            [] => {
                let at = node.span.start..node.span.start + 1;
                return Err(Problem::new(at, "this step does nothing")
                    .expected("one of shell, telnet with chat, wait, note, fault, heal, until"));
            }
            [_, (_, second), ..] => {
                return Err(Problem::new(second.span.clone(), "this step does two things")
                    .expected("a step for each"));
            }
        };
        let allowed: &[&str] = match what {
            "shell" => &["host", "as", "shell"],
            "chat" => &["host", "telnet", "tls", "chat", "source"],
            _ => &[what],
        };
        if let Some((key, value)) = fields.pairs.iter().find(|(k, _)| !allowed.contains(k)) {
            return Err(Problem::new(value.span.clone(), format!("`{key}` has no meaning beside `{what}`")));
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
            "until" => Act::Until(self.until(value, hosts)?),
            _ => {
                return Err(Problem::new(value.span.clone(), "`inspect` is not available yet")
                    .expected("a shell step that looks at the files"));
            }
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
        Err(problem.note(format!("the hosts are {}", hosts.keys().cloned().collect::<Vec<_>>().join(", "))))
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
            if let Some(text) = line.strip_prefix("C:") {
                let text = text.strip_prefix(' ').unwrap_or(text).to_owned();
                chat.lines.push((Placed { value: text, span }, Vec::new()));
            } else if let Some(text) = line.strip_prefix("S:") {
                expected.push(Placed { value: text.trim_start().to_owned(), span });
            } else if let Some(text) = line.strip_prefix("! ") {
                expected.push(Placed { value: text.to_owned(), span });
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

    fn trouble(&self, node: &Node, hosts: &IndexMap<String, Host>) -> Result<Trouble, Problem> {
        const KINDS: [&str; 7] =
            ["refuse", "drop", "delay", "partition", "disk_full", "dns_servfail", "dns_silent"];
        let fields = self.fields(node, "a fault", &[&KINDS[..], &["by"]].concat())?;
        let kinds: Vec<_> = fields.pairs.iter().filter(|(k, _)| *k != "by").collect();
        let [(kind, value)] = kinds.as_slice() else {
            return Err(Problem::new(node.span.clone(), "a fault is one thing").expected(KINDS.join(", ")));
        };
        if fields.find("by").is_some() && *kind != "delay" {
            return Err(Problem::new(node.span.clone(), format!("`by` has no meaning beside `{kind}`")));
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
            "partition" => Trouble::Partition(names()?),
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

    fn zone(&self, node: &Node) -> Result<Zone, Problem> {
        let text = self.scalar(node)?;
        Zone::parse(text).map_err(|e| {
            let lines = yaml::text_lines(self.source, node);
            let line = lines.get(e.line - 1).map_or(node.span.clone(), |(_, span)| span.clone());
            let start = (line.start + e.column).min(line.end);
            let span = start..(start + e.len).min(line.end);
            Problem::new(span, e.message)
                .expected(e.expected)
                .note("dns lines are `name [ttl] [class] type data`")
        })
    }

    fn clock(&self, node: &Node) -> Result<Time, Problem> {
        let text = self.scalar(node)?;
        let instant: Result<jiff::Timestamp, _> = text.parse();
        instant.ok().and_then(|t| u64::try_from(t.as_nanosecond()).ok()).map(Time::from_nanos).ok_or_else(
            || {
                Problem::new(node.span.clone(), format!("`{text}` is not a time"))
                    .expected("a time such as 2021-01-04T14:45:00Z")
            },
        )
    }

    fn duration(&self, node: &Node) -> Result<Duration, Problem> {
        let text = self.scalar(node)?;
        parse_duration(text).ok_or_else(|| {
            Problem::new(node.span.clone(), format!("`{text}` is not a span of time"))
                .expected("a span such as 30s, 5m, 2h, 1d12h")
        })
    }

    fn number(&self, node: &Node) -> Result<u64, Problem> {
        let text = self.scalar(node)?;
        text.parse().map_err(|_| {
            Problem::new(node.span.clone(), format!("`{text}` is not a number")).expected("a whole number")
        })
    }

    fn fields<'n>(&self, node: &'n Node, what: &str, known: &[&str]) -> Result<Fields<'n>, Problem> {
        let mut pairs = Vec::new();
        for (key, value) in self.map(node, what)? {
            let name = self.scalar(key)?;
            if !known.contains(&name) {
                let shown: String = name.chars().take(60).collect();
                let mut problem = Problem::new(key.span.clone(), format!("unknown key `{shown}`"));
                if let Some(near) = did_you_mean(name, known.iter().copied()) {
                    problem.label = format!("did you mean `{near}`?");
                }
                return Err(problem.note(format!("{what} has {}", known.join(", "))));
            }
            pairs.push((name, value));
        }
        Ok(Fields { span: node.span.clone(), pairs })
    }

    fn map<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [(Node, Node)], Problem> {
        match &node.kind {
            Kind::Map(pairs) => Ok(pairs),
            Kind::Scalar { text, plain: true, .. } if text.is_empty() => Ok(&[]),
            _ => Err(self.wrong(node, &format!("{what} as a map"))),
        }
    }

    fn list<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [Node], Problem> {
        match &node.kind {
            Kind::List(items) => Ok(items),
            _ => Err(self.wrong(node, what)),
        }
    }

    fn scalar<'n>(&self, node: &'n Node) -> Result<&'n str, Problem> {
        match &node.kind {
            Kind::Scalar { text, .. } => Ok(text),
            _ => Err(self.wrong(node, "a text")),
        }
    }

    fn text(&self, node: &Node) -> Result<String, Problem> {
        self.scalar(node).map(str::to_owned)
    }

    fn wrong(&self, node: &Node, expected: &str) -> Problem {
        let end = self
            .source
            .get(node.span.clone())
            .and_then(|t| t.find('\n'))
            .map_or(node.span.end, |n| node.span.start + n);
        Problem::new(node.span.start..end, format!("this is {}", node.describe())).expected(expected)
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar { text, .. } if text.is_empty())
}

/// The text of a file, which may stand alone or under `text`.
fn text_node(node: &Node) -> &Node {
    match &node.kind {
        Kind::Map(pairs) => {
            let text =
                pairs.iter().find(|(k, _)| matches!(&k.kind, Kind::Scalar { text, .. } if text == "text"));
            text.map_or(node, |(_, v)| v)
        }
        _ => node,
    }
}

/// Empty lines at the end of what is expected belong to the layout of the file.
fn trim_empty_ends<'e>(all: impl Iterator<Item = &'e mut Vec<Placed<String>>>) {
    for expected in all {
        while expected.last().is_some_and(|l| l.value.trim().is_empty()) {
            expected.pop();
        }
    }
}

/// `1d12h`, `5m`, `30s`, `200ms`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (Duration::ZERO, text.trim());
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
        let unit = match &rest[digits..unit_end] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86400),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(u32::try_from(number).ok()?)?)?;
        rest = &rest[unit_end..];
    }
    // A century is as good as for ever.
    (total <= Duration::from_secs(86400 * 36525)).then_some(total)
}

//! The hosts of a scenario: addresses, people, services, files.

use super::Loader;
use crate::postfix;
use crate::proto::address;
use crate::scenario::model::{File, Host, Service, Span, User};
use crate::scenario::problem::{Problem, did_you_mean};
use crate::scenario::yaml::{self, Kind, Node};
use crate::world::base;
use indexmap::IndexMap;
use std::net::IpAddr;

const HOST: [&str; 4] = ["address", "users", "services", "files"];

impl Loader<'_> {
    pub(super) fn hosts(&self, node: &Node) -> Result<IndexMap<String, Host>, Problem> {
        let mut hosts = IndexMap::new();
        let mut owners = IndexMap::new();
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

    fn host(&self, node: &Node, owners: &mut IndexMap<IpAddr, Span>) -> Result<Host, Problem> {
        let fields = self.fields(node, "a host", &HOST)?;
        let mut host = Host { services: vec![Service::Postfix], ..Host::default() };
        if let Some(node) = fields.find("address") {
            let nodes = match &node.kind {
                Kind::List(items) => items.iter().collect(),
                _ => vec![node],
            };
            for n in nodes {
                let ip = self.address(n)?;
                if let Some(first) = owners.insert(ip, n.span.clone()) {
                    return Err(Problem::new(n.span.clone(), format!("two hosts have the address {ip}"))
                        .also(first, "first here")
                        .expected("an address of its own"));
                }
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
            other => {
                let problem = Problem::new(node.span.clone(), format!("unknown service `{other}`"));
                Err(match did_you_mean(other, ["postfix", "dovecot"]) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.expected("postfix or dovecot"),
                })
            }
        }
    }

    pub(super) fn address(&self, node: &Node) -> Result<IpAddr, Problem> {
        let text = self.scalar(node)?;
        let (bare, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = bare.parse().map_err(|_| {
            Problem::new(node.span.clone(), format!("`{text}` is not an address"))
                .expected("an IPv4 or IPv6 address such as 192.0.2.25")
        })?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        match prefix {
            Some(p) if !p.parse::<u8>().is_ok_and(|n| n <= longest) => {
                Err(Problem::new(node.span.clone(), format!("`{p}` is not the length of a network's prefix"))
                    .expected(format_args!("a number from 0 to {longest} behind the `/`")))
            }
            _ => Ok(address),
        }
    }

    fn users(&self, node: &Node) -> Result<IndexMap<String, User>, Problem> {
        let mut users = IndexMap::new();
        let mut places: IndexMap<u32, Span> = IndexMap::new();
        let nothing = Node { span: node.span.clone(), kind: Kind::Map(Vec::new()) };
        let named: Vec<(&Node, &Node)> = match &node.kind {
            Kind::List(items) => items.iter().map(|n| (n, &nothing)).collect(),
            Kind::Map(pairs) => pairs.iter().map(|(k, v)| (k, v)).collect(),
            Kind::Scalar { .. } => {
                return Err(self.wrong(node, "a list of names, or a map of names with password and uid"));
            }
        };
        for (n, (key, value)) in named.into_iter().enumerate() {
            let name = self.user_name(key)?;
            let (user, place) = self.user(value)?;
            let place = place.unwrap_or_else(|| key.span.clone());
            let uid = user.uid.unwrap_or(1000 + n as u32);
            let taken = |span: &Span, what: String| {
                Err(Problem::new(span.clone(), format!("every host has {what} already")).expected("another"))
            };
            if base::has_account(&name) {
                return taken(&key.span, format!("a user or group `{name}`"));
            }
            if base::has_id(uid) {
                return taken(&place, format!("a user or group with the id {uid}"));
            }
            if let Some(first) = places.insert(uid, place.clone()).filter(|_| !users.contains_key(&name)) {
                return Err(Problem::new(place, format!("two users have the user id {uid}"))
                    .also(first, "first here")
                    .expected("a user id of one's own"));
            }
            if users.insert(name, user).is_some() {
                return Err(
                    Problem::new(key.span.clone(), "this user is named twice").expected("each user once")
                );
            }
        }
        Ok(users)
    }

    /// A user, and where the user id stands if it is given.
    fn user(&self, node: &Node) -> Result<(User, Option<Span>), Problem> {
        let fields = self.fields(node, "a user", &["password", "uid"])?;
        // A password of digits alone needs no quotes.
        let password = fields.find("password").map(|n| match n.describe() {
            "a number" => self.scalar(n).map(str::to_owned),
            _ => self.text(n),
        });
        let uid = fields.find("uid").map(|n| {
            let uid = self.number(n)?;
            u32::try_from(uid).ok().filter(|u| (1..65534).contains(u)).ok_or_else(|| {
                Problem::new(n.span.clone(), format!("{uid} cannot be a user id"))
                    .expected("a number from 1 to 65533")
            })
        });
        let place = fields.find("uid").map(|n| n.span.clone());
        Ok((User { password: password.transpose()?, uid: uid.transpose()? }, place))
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
        let pairs = self.map(node, "files, each by its path")?;
        for (key, value) in pairs {
            let path = self.path(key)?;
            let (mut file, owner) = self.file(value)?;
            file.span = key.span.clone();
            if let (Some(name), Some(place)) = (&file.owner, owner)
                && !host.users.contains_key(name)
                && !base::has_user(name)
            {
                return Err(Problem::new(
                    place.span.clone(),
                    format!("there is no user `{name}` on this host"),
                )
                .expected("one of its users, or of the base system's"));
            }
            if path == postfix::MAIN_CF {
                postfix::config::main_cf::parse(&file.text, path)
                    .map_err(|e| self.in_file(text_node(value), path, &e))?;
            }
            files.insert(path.to_owned(), file);
        }
        for (key, _) in pairs {
            let path = self.path(key)?;
            if let Some((at, _)) = path.rmatch_indices('/').find(|(at, _)| files.contains_key(&path[..*at])) {
                let file = &path[..at];
                return Err(Problem::new(
                    key.span.clone(),
                    format!("`{file}` is a file, and so holds no files"),
                )
                .expected("a path with directories only above it"));
            }
        }
        Ok(files)
    }

    fn path<'n>(&self, node: &'n Node) -> Result<&'n str, Problem> {
        let path = self.scalar(node)?;
        let good = path.starts_with('/')
            && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | "..") && part.len() <= 255)
            && path.len() < 4096
            && !path.contains('\0');
        if good {
            return Ok(path);
        }
        let shown: String = path.chars().take(60).collect();
        Err(Problem::new(node.span.clone(), format!("`{shown}` is not the path of a file"))
            .expected("an absolute path without `.`, `..` and empty parts"))
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

    /// A file, and where its owner stands if one is named.
    fn file<'n>(&self, node: &'n Node) -> Result<(File, Option<&'n Node>), Problem> {
        let Kind::Map(_) = &node.kind else {
            return Ok((File { text: self.text(node)?, ..File::default() }, None));
        };
        let fields = self.fields(node, "a file", &["text", "mode", "owner"])?;
        let mode = fields.find("mode").map(|n| {
            let text = self.scalar(n)?;
            let digits = text.strip_prefix("0o").unwrap_or(text);
            let all_octal = digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
            let mode = u16::from_str_radix(digits, 8).ok().filter(|m| all_octal && *m <= 0o7777);
            mode.ok_or_else(|| {
                Problem::new(n.span.clone(), format!("`{text}` is not a mode"))
                    .expected("an octal mode such as 644")
            })
        });
        let owner = fields.find("owner");
        let file = File {
            text: fields.find("text").map_or(Ok(String::new()), |n| self.text(n))?,
            mode: mode.transpose()?,
            owner: owner.map(|n| self.text(n)).transpose()?,
            ..File::default()
        };
        Ok((file, owner))
    }
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

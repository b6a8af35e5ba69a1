//! What the trace and the queues tell of each message, and what became of each recipient.

use super::network::Letter;
use maillab::postfix::queue::{Queue, QueueFile, SPOOL};
use maillab::trace::Kind;
use maillab::world::World;
use maillab::world::host::Host;
use maillab::world::users::Cred;
use std::collections::{BTreeMap, BTreeSet};

/// A host and a queue id there.
type Place = (String, String);

/// A line on a recipient: the address, the address before expansion, the status, the text.
struct Line {
    to: String,
    original: String,
    status: String,
    text: String,
}

/// What is known of a message.
#[derive(Default)]
struct Message {
    lines: Vec<Line>,
    /// Ids of notifications about it.
    notices: Vec<String>,
    /// Words of the log that end its life by a rule.
    rules: Vec<String>,
    removed: bool,
    /// Its sender, where qmgr has said it.
    sender: Option<String>,
    /// Its Message-Id; `quiet.…` if its sender wants no notification.
    id: String,
    /// Recipients in its queue file, still to be delivered to, as they are and as they were.
    pending: Option<Vec<(String, String)>>,
}

/// All messages of a world.
pub struct Ledger {
    messages: BTreeMap<Place, Message>,
    /// Message-Id to the places where cleanup saw it.
    ids: BTreeMap<String, Vec<Place>>,
    /// What lies in `maildrop/`, by host.
    maildrop: Vec<(String, String)>,
    /// Hosts by the address that a relay is logged with.
    hosts: Vec<(String, String)>,
}

impl Ledger {
    /// Reads the log lines of the trace and the queue files.
    pub fn read(world: &World) -> Ledger {
        let hosts = world.hosts();
        let addresses = hosts.iter().map(|h| (format!("[{}]", h.addresses()[0]), h.name().to_string()));
        let mut ledger = Ledger {
            messages: BTreeMap::new(),
            ids: BTreeMap::new(),
            maildrop: Vec::new(),
            hosts: addresses.collect(),
        };
        let trace = world.trace();
        for (_, event) in trace.events() {
            if let Kind::Log { line } = &event.kind
                && let Some(process) = trace.process(event.process)
            {
                ledger.line(&process.host, line);
            }
        }
        for host in &hosts {
            ledger.queues(host);
        }
        ledger
    }

    fn line(&mut self, host: &str, line: &str) {
        // The name of the program, a message, and what it says of it.
        let Some((_, said)) = line.split_once("]: ") else { return };
        // A requeued message whose recipients were all done already brings no notification with it.
        // Of one from nobody that is too big, nobody hears.
        let rules = ["no recipients specified", "message file too big"];
        let warned = said.strip_prefix("warning: ");
        let said = warned.filter(|s| rules.iter().any(|rule| s.ends_with(rule))).unwrap_or(said);
        let Some((id, said)) = said.split_once(": ") else { return };
        if !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return;
        }
        let place = (host.to_owned(), id.to_owned());
        if let Some(message_id) = said.strip_prefix("message-id=<").and_then(|rest| rest.strip_suffix('>')) {
            self.messages.entry(place.clone()).or_default().id = message_id.to_owned();
            self.ids.entry(message_id.to_owned()).or_default().push(place);
            return;
        }
        let message = self.messages.entry(place).or_default();
        if said == "removed" {
            message.removed = true;
        } else if let Some((_, notice)) = said.rsplit_once(" notification: ") {
            message.notices.push(notice.to_owned());
        } else if said.contains("postmaster notification discarded")
            || rules.contains(&said)
            || said.contains("notification for")
        {
            message.rules.push(said.to_owned());
        } else if let Some((sender, _)) = said.strip_prefix("from=<").and_then(|s| s.split_once(">, size=")) {
            message.sender = Some(sender.to_owned());
        } else if said.starts_with("uid=") && said.ends_with("from=<>") {
            // What is refused before it is in a queue has no other line on its sender.
            message.sender = Some(String::new());
        } else if let Some(line) = recipient(said) {
            message.lines.push(line);
        }
    }

    fn queues(&mut self, host: &Host) {
        let fs = host.fs();
        let (root, top) = (Cred::root(), fs.root());
        let name = host.name().to_string();
        for queue in Queue::ALL.into_iter().chain([Queue::Corrupt]) {
            let mut directories = vec![format!("{SPOOL}/{}", queue.name())];
            while let Some(directory) = directories.pop() {
                let Ok(ino) = fs.resolve(&root, top, &directory, true) else { continue };
                let Ok(entries) = fs.readdir(ino) else {
                    continue;
                };
                for (id, entry) in entries {
                    let path = format!("{directory}/{id}");
                    if !fs.stat(entry).is_file() {
                        directories.push(path);
                        continue;
                    }
                    let Ok(file) = fs.read_path(&root, top, &path) else { continue };
                    if queue == Queue::Maildrop {
                        self.maildrop.push((name.clone(), String::from_utf8_lossy(&file).into_owned()));
                    }
                    if let Ok(file) = QueueFile::parse(file) {
                        let pending = file.recipients.iter();
                        let pending = pending.map(|r| (r.address.to_string(), r.original.to_string()));
                        let message = self.messages.entry((name.clone(), id.to_owned())).or_default();
                        message.pending = Some(pending.collect());
                    }
                }
            }
        }
    }

    /// Looks for every recipient of every letter.
    pub fn check(&self, letters: &[Letter]) -> Result<(), String> {
        for letter in letters {
            if self.maildrop.iter().any(|(host, text)| *host == letter.host && text.contains(&letter.id)) {
                continue;
            }
            let all: &[Place] = self.ids.get(&letter.id).map_or(&[], |all| all);
            let own: Vec<&Place> = all.iter().filter(|(host, _)| *host == letter.host).collect();
            for recipient in &letter.recipients {
                let mut reasons = Vec::new();
                let found = own.iter().any(|place| {
                    self.recipient(place, recipient, &mut BTreeSet::new())
                        .map_err(|e| reasons.push(e))
                        .is_ok()
                });
                if !found {
                    let told =
                        if reasons.is_empty() { "it was never seen".to_owned() } else { reasons.join("; ") };
                    return Err(format!("{} from {} to {recipient}: {told}", letter.id, letter.host));
                }
            }
        }
        Ok(())
    }

    /// What became of one recipient of a message.
    fn recipient(&self, place: &Place, recipient: &str, seen: &mut BTreeSet<Place>) -> Result<(), String> {
        let Some(message) = self.messages.get(place) else {
            return Err(format!("{} at {} is in no queue and no log", place.1, place.0));
        };
        let is_his = |to: &str, original: &str| {
            to.eq_ignore_ascii_case(recipient) || original.eq_ignore_ascii_case(recipient)
        };
        if let Some(pending) = &message.pending
            && pending.iter().any(|(to, original)| is_his(to, original))
        {
            return Ok(());
        }
        let his: Vec<&Line> = message.lines.iter().filter(|l| is_his(&l.to, &l.original)).collect();
        if his.is_empty() {
            if !message.rules.is_empty() {
                return Ok(());
            }
            return Err(format!("{} at {} says nothing of him", place.1, place.0));
        }
        self.lines(place, message, &his, seen)
    }

    /// What became of a message: of all its recipients.
    fn message(&self, place: &Place, seen: &mut BTreeSet<Place>) -> Result<(), String> {
        if !seen.insert(place.clone()) {
            return Ok(());
        }
        let Some(message) = self.messages.get(place) else {
            return Err(format!("{} at {} is in no queue and no log", place.1, place.0));
        };
        if message.pending.is_some() {
            return Ok(());
        }
        if message.lines.is_empty() {
            return Err(format!("{} at {} is gone without a word", place.1, place.0));
        }
        self.lines(place, message, &message.lines.iter().collect::<Vec<_>>(), seen)
    }

    /// The last word on each address counts; what was done before it counts, too, where it was final.
    fn lines(
        &self,
        place: &Place,
        message: &Message,
        lines: &[&Line],
        seen: &mut BTreeSet<Place>,
    ) -> Result<(), String> {
        let mut by_address: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
        for (n, line) in lines.iter().enumerate() {
            // What qmgr put off under its own name may later have been expanded by local: then those
            // for whom it stands are asked.
            let expanded = |l: &&Line| l.original == line.to && l.to != line.to;
            if line.status == "deferred" && lines[n + 1..].iter().any(expanded) {
                continue;
            }
            by_address.entry(&line.to).or_default().push(line);
        }
        for (to, lines) in by_address {
            let mut why = String::new();
            let good = lines.iter().rev().any(|line| match self.line_is_final(place, message, line, seen) {
                Ok(()) => true,
                Err(text) => {
                    why = text;
                    false
                }
            });
            if !good {
                return Err(format!("<{to}> of {} at {}: {why}", place.1, place.0));
            }
        }
        Ok(())
    }

    /// A message that left the queue by `maildrop/` is there, or is in the queue under another id.
    fn requeued(&self, place: &Place, message: &Message, seen: &mut BTreeSet<Place>) -> Result<(), String> {
        let id = &message.id;
        if self.maildrop.iter().any(|(host, text)| *host == place.0 && text.contains(id.as_str())) {
            return Ok(());
        }
        let others = self.ids.get(id).into_iter().flatten().filter(|p| p.0 == place.0 && *p != place);
        let mut others = others.peekable();
        if others.peek().is_none() {
            return Err("it waits, but not in the queue".to_owned());
        }
        others
            .find(|other| self.message(other, seen).is_ok())
            .map(drop)
            .ok_or_else(|| "it was lost when requeued".to_owned())
    }

    fn line_is_final(
        &self,
        place: &Place,
        message: &Message,
        line: &Line,
        seen: &mut BTreeSet<Place>,
    ) -> Result<(), String> {
        match line.status.as_str() {
            "sent" => {
                if let Some((_, id)) = line.text.rsplit_once("queued as ") {
                    let relay = self.hosts.iter().find(|(address, _)| line.text.contains(address.as_str()));
                    let (_, host) = relay.ok_or("the relay is unknown")?;
                    return self.message(&(host.clone(), id.trim_end_matches(')').to_owned()), seen);
                }
                match line.text.rsplit_once("forwarded as ") {
                    Some((_, id)) => {
                        self.message(&(place.0.clone(), id.trim_end_matches(')').to_owned()), seen)
                    }
                    None => Ok(()),
                }
            }
            // It waits in a queue, or was returned when its time was over.
            "deferred"
                if message.pending.as_ref().is_some_and(|all| all.iter().any(|(to, _)| *to == line.to)) =>
            {
                Ok(())
            }
            "bounced" | "deferred" => {
                if message.pending.is_some() && line.status == "bounced" {
                    return Ok(()); // the notification is still to be written
                }
                if line.status == "deferred" && !message.removed {
                    // An administrator had it taken in anew (`postsuper -r`).
                    return self.requeued(place, message, seen);
                }
                // Taken in anew by `postsuper -r`, a message leaves the reasons of those who are done behind.
                let requeued =
                    || self.ids.get(&message.id).into_iter().flatten().any(|p| p.0 == place.0 && p != place);
                let told = requeued()
                    || message
                        .notices
                        .iter()
                        .any(|id| self.message(&(place.0.clone(), id.clone()), seen).is_ok());
                // Of some nobody is to hear: of the sender's own wish, or of bounces (notify_classes).
                let unheard = message.id.starts_with("quiet.") || message.sender.as_deref() == Some("");
                if told || !message.rules.is_empty() || unheard {
                    return Ok(());
                }
                Err(format!("{}, and nobody was told", line.status))
            }
            other => Err(format!("it is {other}")),
        }
    }
}

/// `to=<a>, orig_to=<b>, relay=…, status=sent (…)`
fn recipient(said: &str) -> Option<Line> {
    let rest = said.strip_prefix("to=<")?;
    let (to, rest) = rest.split_once(">, ")?;
    let original =
        rest.strip_prefix("orig_to=<").and_then(|r| r.split_once('>')).map_or(to, |(original, _)| original);
    let (before, status) = rest.split_once("status=")?;
    let (status, text) = status.split_once(' ')?;
    let relay = before.split("relay=").nth(1).and_then(|r| r.split(',').next()).unwrap_or_default();
    Some(Line {
        to: to.to_owned(),
        original: original.to_owned(),
        // What would have been returned has to wait (`soft_bounce`).
        status: status.replace("SOFTBOUNCE", "deferred"),
        text: format!("{relay} {text}"),
    })
}

/// The log of all hosts, with commands and faults, for whoever looks for a loss.
pub fn log(world: &World) -> String {
    let trace = world.trace();
    let mut out = String::new();
    for (_, event) in trace.events() {
        let text = match &event.kind {
            Kind::Log { line } => line,
            Kind::Fault { text } | Kind::Command { text } => text,
            _ => continue,
        };
        let host = trace.process(event.process).map_or_else(String::new, |p| p.host.to_string());
        out.push_str(&format!("{} {host} {text}\n", event.time));
    }
    out
}

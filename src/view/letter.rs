//! A letter: a message in the queue of one host, as the trace tells of it; where it came from, the
//! tries to deliver it, what came of each, and where it is.

use super::reading::{Reading, Seen, field};
use crate::trace::{Direction, ProcId};
use std::collections::{BTreeSet, VecDeque};

/// The most letters of one picture or story.
const FOLLOWED: usize = 12;

/// A message in the queue of one host.
pub struct Letter<'t> {
    /// The host.
    pub host: &'t str,
    /// The queue id.
    pub id: &'t str,
    /// The event by which it came into the queue.
    pub entered: Seen<'t>,
    /// How it came.
    pub origin: Origin<'t>,
    /// The envelope sender; empty for the null sender, `None` while nothing has told it.
    pub sender: Option<&'t str>,
    /// The tries to deliver it, in order.
    pub tries: Vec<Try<'t>>,
    /// Notices that were sent of it: what kind, and their queue ids.
    pub notices: Vec<(&'t str, &'t str)>,
    /// The last move between queues.
    pub last: Seen<'t>,
}

/// How a letter came into the queue.
#[derive(Clone, Copy)]
pub enum Origin<'t> {
    /// A user of the host left it in `maildrop`.
    Local {
        /// What pickup logged.
        log: Seen<'t>,
        /// Its id in `maildrop`.
        maildrop: Option<&'t str>,
    },
    /// A client brought it: what smtpd logged.
    Client(Seen<'t>),
    /// The mail system made it: the log line of the letter it came from.
    Made(Option<Seen<'t>>),
}

/// A try to deliver a letter to some recipients by one agent.
pub struct Try<'t> {
    /// qmgr hands it to the agent.
    pub handed: Seen<'t>,
    /// The agent's service.
    pub service: &'t str,
    /// The first recipient.
    pub recipient: &'t str,
    /// The agent, once it has said something.
    pub agent: Option<Seen<'t>>,
    /// What the agent and its children did: where in the trace.
    pub span: (u32, u32),
    /// Whose events these are.
    pub processes: BTreeSet<ProcId>,
    /// Is the agent done with it?
    pub done: bool,
    /// What came of it, a recipient each.
    pub results: Vec<Delivery<'t>>,
}

/// What came of a try for one recipient.
#[derive(Clone, Copy)]
pub struct Delivery<'t> {
    /// The log line.
    pub log: Seen<'t>,
    /// The recipient.
    pub to: &'t str,
    /// `sent`, `deferred`, `bounced`, …
    pub status: &'t str,
    /// What stands in brackets behind it.
    pub text: &'t str,
    /// The letter that it is from then on: host and queue id.
    pub next: Option<(&'t str, &'t str)>,
}

/// All letters that came into a queue: host, id, and the event.
pub fn all<'t>(reading: Reading<'t>) -> Vec<Seen<'t>> {
    reading
        .events()
        .filter(|e| matches!(e.hop(), Some((_, "", to)) if !to.is_empty() && to != "maildrop"))
        .collect()
}

/// The id that a letter has once pickup has taken it from `maildrop`, and its host.
pub fn picked_up<'t>(reading: Reading<'t>, maildrop: &str) -> Option<(&'t str, &'t str)> {
    let gone = reading.events().find(|e| matches!(e.hop(), Some((id, "maildrop", _)) if id == maildrop))?;
    let mut before = reading.between(0, gone.number()).rev();
    let log = before.find(|e| e.event.process == gone.event.process && e.log().is_some())?;
    log.log()?.split_once(": uid=").map(|(id, _)| (log.host, id))
}

/// The letters that a letter became, those that they became, and so on: breadth first, each once,
/// [`FOLLOWED`] at most. `next` are the first of them: the letter's successors, or some.
pub fn followers<'t>(
    reading: Reading<'t>,
    letter: &Letter<'t>,
    next: Vec<(&'t str, &'t str)>,
) -> impl Iterator<Item = Letter<'t>> {
    let mut next = VecDeque::from(next);
    let mut seen = BTreeSet::from([(letter.host, letter.id)]);
    std::iter::from_fn(move || {
        while seen.len() < FOLLOWED {
            let (host, id) = next.pop_front()?;
            if seen.insert((host, id))
                && let Some(letter) = Letter::find(reading, Some(host), id)
            {
                next.extend(letter.successors());
                return Some(letter);
            }
        }
        None
    })
}

impl<'t> Letter<'t> {
    /// The letter of this id, on this host if one is named; the newest where there are several.
    pub fn find(reading: Reading<'t>, host: Option<&str>, id: &str) -> Option<Letter<'t>> {
        let entered = reading
            .events()
            .filter(|e| host.is_none_or(|h| h == e.host))
            .rfind(|e| matches!(e.hop(), Some((i, "", to)) if i == id && to != "maildrop"))?;
        let (id, host) = (entered.hop()?.0, entered.host);
        let own: Vec<Seen<'t>> =
            reading.between(entered.number(), u32::MAX).filter(|e| e.host == host).collect();
        let logs = || own.iter().filter_map(|e| Some((*e, e.log_of(id)?)));
        let mut notices = Vec::new();
        let mut sender = None;
        for (_, line) in logs() {
            if let Some((what, new)) = line.split_once(" notification: ") {
                notices.push((what, new));
            }
            if line.starts_with("from=<") {
                sender = sender.or(field(line, "from"));
            }
        }
        let last = own.iter().rfind(|e| e.hop().is_some_and(|(i, ..)| i == id)).copied();
        Some(Letter {
            host,
            id,
            entered,
            origin: origin(reading, &own, id),
            sender,
            tries: tries(reading, &own, id),
            notices,
            last: last.unwrap_or(entered),
        })
    }

    /// The queue it is in; empty once it has left.
    pub fn queue(&self) -> &'t str {
        self.last.hop().map_or("", |(_, _, to)| to)
    }

    /// What came of it, a recipient each: the last word on every one.
    pub fn outcomes(&self) -> Vec<Delivery<'t>> {
        let mut all: Vec<Delivery<'t>> = Vec::new();
        for d in self.tries.iter().flat_map(|t| &t.results) {
            match all.iter_mut().find(|a| a.to == d.to) {
                Some(a) if d.status == "sent" || a.status != "sent" => *a = *d,
                Some(_) => {}
                None => all.push(*d),
            }
        }
        all
    }

    /// The recipients, as far as a try was made for them.
    pub fn recipients(&self) -> Vec<&'t str> {
        let mut all: Vec<&'t str> = self.outcomes().iter().map(|d| d.to).collect();
        for t in &self.tries {
            if t.results.is_empty() && !all.contains(&t.recipient) {
                all.push(t.recipient);
            }
        }
        all
    }

    /// The letters that it became: by a next host, by forwarding, by a notice.
    pub fn successors(&self) -> Vec<(&'t str, &'t str)> {
        let next = self.tries.iter().flat_map(|t| &t.results).filter_map(|d| d.next);
        let mut all: Vec<_> = next.chain(self.notices.iter().map(|(_, id)| (self.host, *id))).collect();
        let mut seen = BTreeSet::new();
        all.retain(|n| seen.insert(*n));
        all
    }

    /// The letter that became this one, where there is one in the trace.
    pub fn predecessor(&self, reading: Reading<'t>) -> Option<Letter<'t>> {
        let own = (self.host, self.id);
        let before = reading.before(Some(self.entered.id));
        let earlier = all(before).into_iter().rev().filter_map(|e| Some((e.host, e.hop()?.0)));
        earlier
            .filter_map(|(host, id)| Letter::find(reading, Some(host), id))
            .find(|l| l.successors().contains(&own))
    }

    /// qmgr's decision when to try it again, while it is deferred.
    pub fn next_try(&self, reading: Reading<'t>) -> Option<Seen<'t>> {
        if self.queue() != "deferred" {
            return None;
        }
        let from = self.last.number();
        let mut before = reading.between(from.saturating_sub(100), from).rev();
        before.find(|e| {
            e.event.process == self.last.event.process && e.decision().is_some_and(|d| d.rule == "next try")
        })
    }

    /// The time of [`next_try`](Letter::next_try), as qmgr said it.
    pub fn next_time(&self, reading: Reading<'t>) -> Option<String> {
        Some(self.next_try(reading)?.decision()?.outcome.to_string())
    }

    /// One line for what became of it: `delivered`, `deferred`, `returned to sender`.
    pub fn fate(&self, reading: Reading<'t>) -> String {
        let outcomes = self.outcomes();
        let has = |status: &str| outcomes.iter().any(|d| d.status == status);
        match self.queue() {
            "" if self.is_deleted() => "deleted by postsuper".to_owned(),
            "" if has("bounced") && has("sent") => "delivered to some, returned for others".to_owned(),
            "" if ["bounced", "deferred", "SOFTBOUNCE", "expired"].into_iter().any(has) => {
                "returned to its sender".to_owned()
            }
            "" if outcomes.is_empty() => "gone".to_owned(),
            "" if outcomes.iter().all(|d| d.text.starts_with("forwarded as")) => "forwarded".to_owned(),
            "" => "delivered".to_owned(),
            "deferred" => match self.next_time(reading) {
                Some(at) => format!("deferred until {at}"),
                None => "deferred".to_owned(),
            },
            "hold" => "held".to_owned(),
            queue => format!("in {queue}"),
        }
    }

    /// Did an administrator take it out of the queue?
    pub fn is_deleted(&self) -> bool {
        self.queue().is_empty() && self.last.program == "postsuper"
    }
}

fn origin<'t>(reading: Reading<'t>, own: &[Seen<'t>], id: &str) -> Origin<'t> {
    for e in own {
        let Some(line) = e.log_of(id) else { continue };
        if line.starts_with("client=") {
            return Origin::Client(*e);
        }
        if line.starts_with("uid=") {
            let gone = own.iter().filter(|g| g.number() > e.number() && g.event.process == e.event.process);
            let maildrop = gone.filter_map(|g| g.hop()).find(|h| h.1 == "maildrop").map(|h| h.0);
            return Origin::Local { log: *e, maildrop };
        }
    }
    let host = own.first().map_or("", |e| e.host);
    let ends = [format!(" notification: {id}"), format!("(forwarded as {id})")];
    let mut logs = reading.events().filter(|e| e.host == host);
    Origin::Made(logs.find(|e| e.log().is_some_and(|l| ends.iter().any(|end| l.ends_with(end.as_str())))))
}

fn tries<'t>(reading: Reading<'t>, own: &[Seen<'t>], id: &str) -> Vec<Try<'t>> {
    let mut all: Vec<Try<'t>> = Vec::new();
    // What an agent has done since it last was done with something.
    let done = |e: &Seen<'t>| {
        e.hand_over().is_some_and(|(_, what)| what.strip_prefix(id).is_some_and(|r| r == " done"))
    };
    for e in own {
        if let Some((to, what)) = e.hand_over()
            && let Some(recipient) = what.strip_prefix(id).and_then(|r| r.strip_prefix(" for "))
        {
            let service = to.rsplit('/').next().unwrap_or(to);
            let span = (e.number(), u32::MAX);
            let (agent, processes, results) = (None, BTreeSet::new(), Vec::new());
            all.push(Try { handed: *e, service, recipient, agent, span, processes, done: false, results });
        }
        let said = e.log_of(id).is_some_and(|l| l.contains("status=") && l.starts_with("to=<"));
        if said || done(e) {
            settle(reading, own, &mut all, *e, id);
        }
    }
    for t in &mut all {
        if let Some(agent) = t.agent {
            t.processes = reading.children(agent, t.span.0, t.span.1);
            t.processes.insert(agent.event.process);
        }
    }
    all
}

/// Puts what an agent said to the try that it belongs to.
fn settle<'t>(reading: Reading<'t>, own: &[Seen<'t>], all: &mut [Try<'t>], e: Seen<'t>, id: &str) {
    let delivery = e.log_of(id).and_then(|line| delivery(reading, e, line));
    let mine = |t: &Try<'t>| !t.done && t.agent.is_some_and(|a| a.event.process == e.event.process);
    let at = all.iter().position(mine).or_else(|| {
        let open = |t: &Try<'t>| !t.done && t.agent.is_none();
        let of = delivery.map(|d| [d.to, field(d.log.log().unwrap_or_default(), "orig_to").unwrap_or(d.to)]);
        let named = |t: &Try<'t>| open(t) && of.is_some_and(|names| names.contains(&t.recipient));
        all.iter().position(named).or_else(|| all.iter().position(open))
    });
    let Some(t) = at.and_then(|at| all.get_mut(at)) else { return };
    if t.agent.is_none() {
        // An agent serves one request after the other: this one begins where the last was done.
        let done = |b: &&Seen<'t>| b.hand_over().is_some_and(|(_, what)| what.ends_with(" done"));
        let mut before = own.iter().filter(|b| b.number() > t.handed.number() && b.number() < e.number());
        let other = before.rfind(|b| b.event.process == e.event.process && done(b));
        t.span = (other.map_or(t.handed.number(), |b| b.number() + 1), u32::MAX);
        t.agent = Some(e);
    }
    match delivery {
        Some(d) => t.results.push(d),
        None => {
            t.span.1 = e.number();
            t.done = true;
        }
    }
}

fn delivery<'t>(reading: Reading<'t>, log: Seen<'t>, line: &'t str) -> Option<Delivery<'t>> {
    let status = field(line, "status")?;
    let text = line.split_once(&format!("status={status} (")).map_or("", |(_, t)| t);
    let text = text.strip_suffix(')').unwrap_or(text);
    let next = if let Some(id) = text.strip_prefix("forwarded as ") {
        Some((log.host, id))
    } else if status == "sent"
        && let Some((_, id)) = text.rsplit_once("queued as ")
    {
        server_of(reading, log, id)
    } else {
        None
    };
    Some(Delivery { log, to: field(line, "to")?, status, text, next })
}

/// The host to which an agent spoke last, and the id it gave the letter.
fn server_of<'t>(reading: Reading<'t>, log: Seen<'t>, id: &'t str) -> Option<(&'t str, &'t str)> {
    let mut before = reading.between(0, log.number()).rev();
    before.find_map(|e| {
        let (conn, to, _) = e.sent()?;
        if e.event.process != log.event.process || to != Direction::ToServer {
            return None;
        }
        reading.ends(conn).map(|(_, server)| (server, id))
    })
}

//! Why a letter is where it is: who sent it, what was made of it, what each agent chose, what came
//! of it, and the same on every further host.

use super::alternatives;
use super::chain::{self, Group, Row, WIDTH};
use super::reply;
use crate::trace::{FileAct, Kind};
use crate::view::letter::{self, Delivery, Letter, Origin, Try};
use crate::view::reading::{Reading, Seen, field};
use crate::view::text::{hang, plain, width};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The most letters that are followed.
pub const FOLLOWED: usize = 12;

/// The story of a letter and of those it became; of one recipient only, where one is named.
pub fn tell(reading: Reading<'_>, letter: &Letter<'_>, recipient: Option<&str>) -> String {
    let mut out = String::new();
    one(&mut out, reading, letter, recipient);
    for next in letter::followers(reading, letter, followed(letter, recipient)) {
        out.push('\n');
        one(&mut out, reading, &next, None);
    }
    out
}

fn followed<'t>(letter: &Letter<'t>, recipient: Option<&str>) -> Vec<(&'t str, &'t str)> {
    let Some(recipient) = recipient else { return letter.successors() };
    let results = letter.tries.iter().flat_map(|t| &t.results);
    let next = results.filter(|d| is_to(d, recipient)).filter_map(|d| d.next);
    next.chain(letter.notices.iter().map(|(_, id)| (letter.host, *id))).collect()
}

/// Did a delivery go to this address, under its present or its original name?
pub fn is_to(d: &Delivery<'_>, recipient: &str) -> bool {
    let original = field(d.log.log().unwrap_or_default(), "orig_to");
    d.to.eq_ignore_ascii_case(recipient) || original.is_some_and(|o| o.eq_ignore_ascii_case(recipient))
}

fn one(out: &mut String, reading: Reading<'_>, letter: &Letter<'_>, recipient: Option<&str>) {
    headline(out, reading, letter);
    let mut groups = vec![origin(letter)];
    groups.extend(admission(reading, letter));
    groups.extend(cleanup(reading, letter));
    let mut tries: Vec<&Try<'_>> = letter.tries.iter().collect();
    if let Some(recipient) = recipient {
        tries.retain(|t| {
            t.recipient.eq_ignore_ascii_case(recipient) || t.results.iter().any(|d| is_to(d, recipient))
        });
    }
    let mut told: Vec<&str> = Vec::new();
    for t in &tries {
        // Of many tries for the same recipient the last is told; the others are counted.
        if tries.iter().rev().find(|o| o.recipient == t.recipient).is_some_and(|o| o.handed.id != t.handed.id)
        {
            continue;
        }
        if !told.contains(&t.recipient) {
            told.push(t.recipient);
            groups.extend(reply::route(reading, t.handed, t.recipient));
        }
        let count = tries.iter().filter(|o| o.recipient == t.recipient).count();
        groups.push(attempt(reading, t, count));
        groups.extend(remote_reasons(reading, t));
    }
    groups.push(whereabouts(reading, letter));
    chain::write(out, &groups);
    let failed: Vec<Delivery<'_>> = letter
        .outcomes()
        .into_iter()
        .filter(|d| d.status != "sent" && recipient.is_none_or(|r| is_to(d, r)))
        .collect();
    let mut all: Vec<String> = failed.iter().flat_map(|d| alternatives::to_deliver(d.text, d.to)).collect();
    for t in &tries {
        all.extend(
            remote(reading, t).into_iter().flat_map(|(reply, reasons)| {
                alternatives::to_accept(&reasons.decisions, reply.exchange.line())
            }),
        );
    }
    let mut seen = BTreeSet::new();
    all.retain(|a| seen.insert(a.clone()));
    reply::had(out, "delivered", &all);
}

/// `ID  sender → recipients   fate`, and the host.
fn headline(out: &mut String, reading: Reading<'_>, letter: &Letter<'_>) {
    let from = match letter.sender {
        Some("") | None => "<>",
        Some(sender) => sender,
    };
    let to = letter.recipients();
    let to = if to.is_empty() { "nobody yet".to_owned() } else { to.join(", ") };
    let (head, fate) = (format!("{}  {} → {}", letter.id, plain(from), plain(&to)), letter.fate(reading));
    let room = WIDTH - width(&fate) - 2;
    if width(&head) <= room {
        let _ = writeln!(out, "{head:<room$}  {fate}");
    } else {
        hang(out, "", &head, WIDTH);
        hang(out, "", &fate, WIDTH);
    }
    let (from, to) = (letter.entered.event.time, letter.last.event.time);
    let _ = writeln!(out, "on {}, since {from}, last moved {to}\n", letter.host);
}

fn origin(letter: &Letter<'_>) -> Group {
    let mut group = Group::new("where does it come from?", "");
    match letter.origin {
        Origin::Local { log, maildrop } => {
            let line = log.log_of(letter.id).unwrap_or_default();
            let (user, uid) = (field(line, "from").unwrap_or_default(), field(line, "uid").unwrap_or("?"));
            group.subject = format!("{user} (user id {uid}) on this host");
            if let Some(id) = maildrop {
                group.rows.push(Row::plain("postdrop", format!("left it in maildrop/{id}")));
            }
            group.rows.push(Row::plain("pickup", "took it from there, and gave it to cleanup"));
        }
        Origin::Client(log) => {
            let client = log.log().and_then(|l| field(l, "client")).unwrap_or_default();
            group.subject = client.to_owned();
            let line = log.log().unwrap_or_default();
            if let Some(user) = field(line, "sasl_username") {
                group.rows.push(Row::plain("logged in", format!("as {user}")));
            }
            group.rows.push(Row::plain("smtpd", "took it over SMTP, and gave it to cleanup"));
        }
        Origin::Made(None) => group.subject = "the mail system itself".to_owned(),
        Origin::Made(Some(log)) => {
            let line = log.log().unwrap_or_default();
            let (parent, rest) = line.split_once(": ").unwrap_or((line, ""));
            group.subject = format!("{parent}, by {}", log.program);
            let why = rest.split_once(" notification: ").map_or("forwarded", |(kind, _)| kind);
            let text = if why == "forwarded" { "forwarded".to_owned() } else { format!("a {why} notice") };
            group.rows.push(Row::plain("as", text));
            let recipient = field(rest, "to").filter(|_| why == "forwarded");
            if let Some(to) = recipient {
                group.rows.push(Row::plain("of what was for", to));
            }
        }
    }
    group
}

/// Why smtpd took it, a recipient each.
fn admission(reading: Reading<'_>, letter: &Letter<'_>) -> Vec<Group> {
    let Origin::Client(log) = letter.origin else { return Vec::new() };
    // The reply to RCPT may be sent after the log line, together with others.
    let mut after = reading.between(log.number(), u32::MAX);
    let said = after.find(|e| e.event.process == log.event.process && e.sent().is_some());
    let mut groups = Vec::new();
    for address in asked(reading, log) {
        if let Some(reply) =
            said.and_then(|s| reply::to_recipient(reading, after_event(reading, s), &address))
            && !reply.exchange.is_refusal()
        {
            for mut group in reply::reasons(reading, &reply).groups {
                if group.subject.is_empty() {
                    group.subject = address.clone();
                }
                if group.question != "where does it go?" {
                    groups.push(group);
                }
            }
        }
    }
    groups.dedup();
    groups
}

fn after_event<'t>(reading: Reading<'t>, e: Seen<'t>) -> Seen<'t> {
    e.id.checked_add(1).and_then(|id| reading.event(id)).map_or(e, |next| Seen { event: e.event, ..next })
}

/// The addresses that smtpd had completed since the letter before this one, of which the
/// recipients are some.
fn asked(reading: Reading<'_>, log: Seen<'_>) -> Vec<String> {
    let own = reading.between(0, log.number() + 40).rev().filter(|e| e.event.process == log.event.process);
    let mut all: Vec<String> = own
        .skip_while(|e| e.number() > log.number())
        .take_while(|e| e.number() == log.number() || e.log().is_none_or(|l| !l.contains(": client=")))
        .filter_map(|e| e.hand_over())
        .filter_map(|(_, what)| what.strip_prefix("rewrite ").map(str::to_owned))
        .collect();
    all.reverse();
    let mut seen = BTreeSet::new();
    all.retain(|a| seen.insert(a.clone()));
    all
}

/// What cleanup and trivial-rewrite made of it.
fn cleanup(reading: Reading<'_>, letter: &Letter<'_>) -> Option<Group> {
    let mut group = Group::new("what was made of it?", "");
    let end = reading
        .between(letter.entered.number(), u32::MAX)
        .find(|e| {
            e.event.process == letter.entered.event.process
                && e.hand_over().is_some_and(|(_, what)| {
                    what.strip_prefix(letter.id).is_some_and(|r| r.starts_with(" is "))
                })
        })
        .map_or(u32::MAX, Seen::number);
    let own = |e: &Seen<'_>| e.event.process == letter.entered.event.process;
    let events: Vec<Seen<'_>> =
        reading.between(letter.entered.number(), end).filter(|e| e.host == letter.host).collect();
    for (n, e) in events.iter().enumerate() {
        if own(e)
            && let Some(d) = e.decision()
        {
            group.rows.push(Row::of(d, None, false));
        }
        let asked = e.hand_over().and_then(|(_, what)| what.strip_prefix("rewrite ")).filter(|_| own(e));
        if let Some(address) = asked
            && let Some(at) =
                events[n..].iter().position(|a| a.program == "trivial-rewrite" && a.hand_over().is_some())
        {
            let answer = events[n + at].hand_over().and_then(|(_, what)| what.split_once(" is "));
            let rule = events[n..n + at]
                .iter()
                .filter(|a| a.program == "trivial-rewrite")
                .find_map(|a| a.decision());
            if let Some((_, new)) = answer.filter(|(old, new)| *old == address && old != new) {
                let mut row = Row { rule: address.to_owned(), mark: "→", ..Row::plain("", new) };
                if let Some(d) = rule {
                    row.texts.push(format!("by {}", d.setting));
                    row.place = d.place.to_string();
                }
                group.rows.push(row);
            }
        }
    }
    let mut seen = Vec::new();
    group.rows.retain(|r| {
        let new = !seen.contains(r);
        seen.push(r.clone());
        new
    });
    (!group.rows.is_empty()).then_some(group)
}

/// What an agent chose and did, and what came of it.
fn attempt(reading: Reading<'_>, t: &Try<'_>, count: usize) -> Group {
    let mut group = Group::new(&format!("what did {} do?", t.service), t.recipient);
    if count > 1 {
        group.subject = format!("{}, at {}, try {count} of {count}", t.recipient, t.handed.event.time);
    }
    let mut rows: Vec<Row> = Vec::new();
    for e in reading.between(t.span.0, t.span.1).filter(|e| t.processes.contains(&e.event.process)) {
        let row = match &e.event.kind {
            Kind::Decision(d) => Some(Row::of(d, None, false)),
            Kind::HandOver { to, what } if !to.contains("/spool/postfix/") => {
                Some(Row::plain("runs", format!("{to}: {what}")))
            }
            Kind::File { act: FileAct::Written, path, len } if *len > 1 && is_mailbox(path) => {
                Some(Row::plain("writes", format!("{path}, {len} bytes")))
            }
            Kind::Renamed { to, .. } if is_mailbox(to) => Some(Row::plain("names it", &**to)),
            Kind::Connect(conn) => reading.ends(*conn).map(|(_, server)| Row::plain("calls", server)),
            Kind::Log { .. } => t.results.iter().find(|d| d.log.id == e.id).map(result),
            _ => None,
        };
        rows.extend(row.filter(|row| rows.last() != Some(row)));
    }
    if t.agent.is_none() {
        rows.push(Row::plain("", "it has not said anything yet"));
    }
    group.rows = rows;
    group
}

fn result(d: &Delivery<'_>) -> Row {
    Row {
        rule: d.to.to_owned(),
        mark: "→",
        texts: vec![d.status.to_owned(), d.text.to_owned()],
        place: String::new(),
    }
}

fn is_mailbox(path: &str) -> bool {
    !path.starts_with("/var/spool/postfix/") && !path.ends_with(".lock") && !path.contains("/tmp/")
}

/// A refusal that the next host gave, with its reasons there.
fn remote<'t>(reading: Reading<'t>, t: &Try<'t>) -> Vec<(reply::Reply<'t>, reply::Reasons<'t>)> {
    let refused = t.results.iter().filter(|d| d.status != "sent" && d.text.contains(" said: "));
    refused
        .filter_map(|d| {
            let (_, said) = d.text.split_once(" said: ")?;
            let said = said.split(" (in reply to").next().unwrap_or(said);
            let reply = reply::containing(reading.before(Some(d.log.id)), said)?;
            let reasons = reply::reasons(reading, &reply);
            Some((reply, reasons))
        })
        .collect()
}

fn remote_reasons(reading: Reading<'_>, t: &Try<'_>) -> Vec<Group> {
    let mut all = Vec::new();
    for (reply, reasons) in remote(reading, t) {
        for mut group in reasons.groups {
            group.question = format!("{}: {}", reply.said.short_host(), group.question);
            all.push(group);
        }
    }
    all
}

/// Where it is now, and why.
fn whereabouts(reading: Reading<'_>, letter: &Letter<'_>) -> Group {
    let mut group = Group::new("where is it now?", "");
    group.subject = match letter.queue() {
        "" => format!("it left the queue at {}", letter.last.event.time),
        queue => format!("in {queue}, since {}", letter.last.event.time),
    };
    if letter.is_deleted() {
        group.rows.push(Row::plain("postsuper", "deleted it"));
    }
    for d in letter.outcomes() {
        let text = match (d.next, d.status) {
            (Some((host, id)), _) => format!("it is {id} on {host} from there on"),
            (None, "sent") => d.text.to_owned(),
            (None, status) => format!("{status}: {}", d.text),
        };
        group.rows.push(Row::plain(d.to, text));
    }
    if let Some(d) = letter.next_try(reading).and_then(Seen::decision) {
        group.rows.push(Row { rule: "next try".to_owned(), ..Row::of(d, None, false) });
    }
    for (kind, id) in &letter.notices {
        group.rows.push(Row::plain("a notice", format!("{kind}: {id}")));
    }
    group
}

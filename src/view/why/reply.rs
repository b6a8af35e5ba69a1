//! Why a server answered as it did.

use super::alternatives;
use super::chain::{self, Group, Row, WIDTH};
use crate::trace::{ConnId, Decision, Direction, Kind, Outcome};
use crate::view::dialogue::{self, Exchange};
use crate::view::reading::{Reading, Seen};
use crate::view::text::{hang, plain};
use std::fmt::Write;

/// Programs that hold conversations by themselves; a person's are asked for first.
const DAEMONS: [&str; 4] = ["smtp", "lmtp", "dovecot-lda", "imap-login"];

/// A reply and where it stands.
pub struct Reply<'t> {
    /// The command and the reply.
    pub exchange: Exchange,
    /// The event by which it was said.
    pub said: Seen<'t>,
    /// The exchange before it: what is older does not belong to this one.
    previous: u32,
}

/// The last reply that a person was given, leaving out what was said to QUIT; without any, the
/// last one between daemons.
pub fn last(reading: Reading<'_>) -> Option<Reply<'_>> {
    let mut calls: Vec<(ConnId, bool)> = Vec::new();
    for e in reading.events().rev() {
        if let Kind::Connect(conn) = e.event.kind
            && reading.ends(conn).is_some()
        {
            calls.push((conn, DAEMONS.contains(&e.program)));
        }
    }
    let people = calls.iter().filter(|(_, daemon)| !daemon);
    let daemons = calls.iter().filter(|(_, daemon)| *daemon);
    people.chain(daemons).find_map(|(conn, _)| {
        let all = dialogue::read(reading, *conn);
        let telling = |x: &Exchange| !matches!(x.verb().as_str(), "QUIT" | "LOGOUT") && !x.command.is_empty();
        let mut at = all.iter().rposition(telling).or(all.len().checked_sub(1))?;
        // That there is no valid recipient follows from what was said to the last RCPT.
        if all[at].is_refusal() && matches!(all[at].verb().as_str(), "DATA" | "BDAT") {
            let refused = |x: &Exchange| x.is_refusal() && x.verb() == "RCPT";
            at = all[..at].iter().rposition(refused).unwrap_or(at);
        }
        reply(reading, &all, at)
    })
}

/// The last reply with this text in it.
pub fn containing<'t>(reading: Reading<'t>, text: &str) -> Option<Reply<'t>> {
    let said = reading.events().rfind(|e| {
        e.sent().is_some_and(|(_, to, bytes)| {
            to == Direction::ToClient && memchr::memmem::find(bytes, text.as_bytes()).is_some()
        })
    })?;
    let (conn, ..) = said.sent()?;
    reading.ends(conn)?;
    let all = dialogue::read(reading, conn);
    let at = all.iter().rposition(|x| x.reply.iter().any(|l| l.contains(text)))?;
    reply(reading, &all, at)
}

/// The last reply to RCPT with this address that `server` had given by then.
pub fn to_recipient<'t>(reading: Reading<'t>, server: Seen<'t>, address: &str) -> Option<Reply<'t>> {
    let before = reading.between(0, server.number()).rev();
    let mut sent = before.filter(|e| e.event.process == server.event.process).filter_map(|e| e.sent());
    let (conn, ..) = sent.find(|(conn, ..)| reading.ends(*conn).is_some())?;
    let all = dialogue::read(reading, conn);
    let at = all.iter().rposition(|x| {
        x.said <= server.id
            && x.verb() == "RCPT"
            && x.address().is_some_and(|a| a.eq_ignore_ascii_case(address))
    })?;
    reply(reading, &all, at)
}

fn reply<'t>(reading: Reading<'t>, all: &[Exchange], at: usize) -> Option<Reply<'t>> {
    let exchange = all.get(at)?.clone();
    let said = reading.event(exchange.said)?;
    // Replies to commands that came together are sent together.
    let before = all[..at].iter().rev().find(|x| x.said < exchange.said);
    Some(Reply { previous: before.map_or(0, |x| x.said.get()), exchange, said })
}

/// The decisions that a server took for a reply, and the questions they answer.
pub struct Reasons<'t> {
    /// The decisions, in order.
    pub decisions: Vec<&'t Decision>,
    /// The same, as they are shown.
    pub groups: Vec<Group>,
}

/// Why it was said.
pub fn reasons<'t>(reading: Reading<'t>, reply: &Reply<'t>) -> Reasons<'t> {
    let from = reply.previous.max(reply.exchange.asked.map_or(0, |id| id.get()));
    let own: Vec<Seen<'t>> = reading
        .between(from, reply.said.number())
        .filter(|e| e.event.process == reply.said.event.process)
        .collect();
    let decisions: Vec<&'t Decision> = of_command(&own, reply).filter_map(|e| e.decision()).collect();
    let line = reply.exchange.line();
    let mut groups = Vec::new();
    let asks = |d: &&Decision| d.rule.contains("destination") || d.rule == EXISTS;
    if let Some(address) = complete(&own, reading, reply)
        && decisions.iter().any(asks)
    {
        groups.extend(route(reading, reply.said, &address));
    }
    groups.extend(lists(&decisions, line));
    Reasons { decisions, groups }
}

/// The rule by which smtpd asks whether an address is listed.
const EXISTS: &str = "does it exist?";

/// Of commands that came together, the part that is about this one: from where smtpd has its address
/// completed, and what it asked just before, to where it does so with another.
fn of_command<'a, 't>(own: &'a [Seen<'t>], reply: &Reply<'t>) -> impl Iterator<Item = &'a Seen<'t>> {
    let asks = |e: &Seen<'t>| e.hand_over().and_then(|(_, what)| what.strip_prefix("rewrite "));
    let address = reply.exchange.address().unwrap_or_default();
    let others = own.iter().filter_map(asks).any(|a| !a.eq_ignore_ascii_case(address));
    let found = own.iter().rposition(|e| asks(e).is_some_and(|a| a.eq_ignore_ascii_case(address)));
    let found = found.filter(|_| others && reply.exchange.verb() == "RCPT").unwrap_or(0);
    // What came to an end there was about the command before.
    let open = |e: &Seen<'t>| e.decision().is_some_and(|d| d.outcome == Outcome::No);
    let start = found - own[..found].iter().rev().take_while(|e| open(e)).count();
    let next =
        own[found..].iter().skip(1).position(|e| asks(e).is_some_and(|a| !a.eq_ignore_ascii_case(address)));
    let end = next.filter(|_| others && reply.exchange.verb() == "RCPT").map_or(own.len(), |n| found + 1 + n);
    own[start..end].iter()
}

/// The address of the command as trivial-rewrite completed it.
fn complete<'t>(own: &[Seen<'t>], reading: Reading<'t>, reply: &Reply<'t>) -> Option<String> {
    let address = reply.exchange.address()?;
    let first = own.first()?.number();
    let answers = reading.between(first, reply.said.number()).filter(|e| e.host == reply.said.host);
    let mut found = answers.filter_map(|e| e.hand_over()).filter_map(|(_, what)| what.split_once(" is "));
    let found = found.find(|(from, _)| from.eq_ignore_ascii_case(address));
    Some(found.map_or(address, |(_, to)| to).to_owned())
}

/// Where an address goes, as trivial-rewrite of the host said last before an event.
pub fn route<'t>(reading: Reading<'t>, at: Seen<'t>, address: &str) -> Option<Group> {
    let mut before = reading.between(0, at.number()).rev().filter(|e| e.host == at.host);
    let answer = before.find(|e| {
        let what = e.hand_over().and_then(|(_, what)| what.split_once(" goes by "));
        what.is_some_and(|(of, _)| of.eq_ignore_ascii_case(address))
    })?;
    let own = before.filter(|e| e.event.process == answer.event.process);
    let mut rows: Vec<Row> = own
        .take_while(|e| e.hand_over().is_none())
        .filter_map(|e| e.decision())
        .map(|d| {
            let mut row = Row::of(d, None, false);
            if d.rule == "where to" {
                row.rule = d.setting.to_string();
                row.texts.retain(|t| !t.starts_with("by "));
            }
            row
        })
        .collect();
    rows.reverse();
    Some(Group { rows, ..Group::new("where does it go?", address) })
}

/// Restrictions, grouped by the list they stand in; whatever else was decided.
fn lists(decisions: &[&Decision], line: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut last: Option<&Decision> = None;
    for d in decisions {
        let list = is_list(&d.setting) && d.rule != EXISTS;
        let same = last.is_some_and(|l| l.setting == d.setting && (l.rule == EXISTS) == (d.rule == EXISTS));
        if !same {
            let subject = if list { d.setting.to_string() } else { String::new() };
            let place = if list { d.place.to_string() } else { String::new() };
            groups.push(Group { place, ..Group::new(question(d), subject) });
        }
        let mut row = Row::of(d, Some(line), list);
        if d.rule == EXISTS {
            row.rule = d.setting.to_string();
            row.place = d.place.to_string();
            row.texts.retain(|t| !t.starts_with("by "));
        }
        if let Some(group) = groups.last_mut() {
            group.rows.push(row);
        }
        last = Some(d);
    }
    groups
}

fn is_list(setting: &str) -> bool {
    setting.starts_with("smtpd_") && setting.ends_with("_restrictions")
}

fn question(d: &Decision) -> &'static str {
    if d.rule == EXISTS {
        return "does it exist?";
    }
    match &*d.setting {
        "smtpd_client_restrictions" => "may this client connect?",
        "smtpd_helo_restrictions" => "may it greet so?",
        "smtpd_sender_restrictions" => "may this sender send?",
        "smtpd_relay_restrictions" => "may this client send it there?",
        "smtpd_recipient_restrictions" => "may this recipient be sent to?",
        "smtpd_data_restrictions" => "may the letter begin?",
        "smtpd_end_of_data_restrictions" => "may the letter be taken?",
        "smtpd_etrn_restrictions" => "may the client flush the queue?",
        _ => "what else was decided?",
    }
}

/// The explanation of a reply.
pub fn explain(reading: Reading<'_>, reply: &Reply<'_>) -> String {
    let mut out = String::new();
    let x = &reply.exchange;
    for line in &x.reply {
        hang(&mut out, "", &plain(line), WIDTH);
    }
    let to = match x.command.as_str() {
        "" if x.asked.is_none() => "unasked".to_owned(),
        "." => "to the letter's end".to_owned(),
        command => format!("to {}", plain(command)),
    };
    let s = reply.said;
    hang(
        &mut out,
        "",
        &format!("said by {}[{}] on {}, {}, {to}", s.program, s.pid, s.host, s.event.time),
        WIDTH,
    );
    out.push('\n');
    let reasons = reasons(reading, reply);
    if reasons.decisions.is_empty() {
        nothing_asked(&mut out, reply);
        return out;
    }
    chain::write(&mut out, &reasons.groups);
    alternatives_of(&mut out, &reasons, x);
    out
}

fn nothing_asked(out: &mut String, reply: &Reply<'_>) {
    let x = &reply.exchange;
    let text = match x.line().rsplit_once("queued as ") {
        Some((_, id)) => format!("The letter is in the queue now; what became of it:  :why {id}"),
        None if x.is_refusal() => {
            format!(
                "No setting was asked: {} answers so to this command at this point, by itself.",
                reply.said.program
            )
        }
        None => "No setting was asked: nothing stood against it.".to_owned(),
    };
    hang(out, "  ", &text, WIDTH);
}

fn alternatives_of(out: &mut String, reasons: &Reasons<'_>, x: &Exchange) {
    let line = x.line();
    let refused = x.is_refusal();
    let all = if refused {
        let is_it = |d: &&Decision| match &d.outcome {
            Outcome::Becomes(text) => line.starts_with(&**text) || d.rule == EXISTS,
            _ => false,
        };
        let end = reasons.decisions.iter().rposition(is_it).map_or(reasons.decisions.len(), |n| n + 1);
        alternatives::to_accept(&reasons.decisions[..end], line)
    } else {
        alternatives::to_refuse(&reasons.decisions)
    };
    let verb = if refused { "accepted" } else { "refused" };
    had(out, verb, &all);
}

/// `It would have been …, had one of these been so:` and the list of these.
pub fn had(out: &mut String, verb: &str, all: &[String]) {
    if all.is_empty() {
        return;
    }
    let one = if all.len() == 1 { "this" } else { "one of these" };
    let _ = writeln!(out, "  It would have been {verb}, had {one} been so:");
    for text in all {
        hang(out, "      ", &plain(text), WIDTH);
    }
}

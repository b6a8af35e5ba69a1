//! postqueue(1): looks at the queue and has it tried again. `mailq` is its `-p`.

use super::config::Config;
use super::dict::MatchList;
use super::getopt;
use super::master::{self, Trigger};
use super::msg::Msg;
use super::queue::{Queue, SPOOL};
use super::showq::{self, Listed};
use crate::proto::address;
use crate::world::process::Process;
use serde_json::json;
use std::fmt::Write;

/// The exit status "service unavailable" of sysexits.h.
const UNAVAILABLE: i32 = 69;

const USAGE: &str =
    "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site";

/// The command.
pub async fn main(p: Process) -> i32 {
    let msg = Msg::command(&p, "postqueue");
    let options = match getopt::of_command(&p, &msg, "postqueue", "c:fi:jps:v", USAGE).await {
        Ok(options) => options,
        Err(_) => return UNAVAILABLE,
    };
    let asked: Vec<_> = options.given.iter().filter(|(letter, _)| !"cv".contains(*letter)).collect();
    let (option, value) = match asked.as_slice() {
        [(letter, value)] if options.rest.is_empty() => (*letter, value.as_deref()),
        _ => (' ', None),
    };
    let Ok(config) = super::configuration_of_host(&p, &msg, options.value('c')).await else {
        return UNAVAILABLE;
    };
    let long = config.bool("enable_long_queue_ids").unwrap_or(false);
    let (users, deed) = match option {
        'p' | 'j' => ("authorized_mailq_users", "view the mail queue"),
        _ => ("authorized_flush_users", "flush the mail queue"),
    };
    if matches!(option, 'p' | 'j' | 'f' | 'i' | 's')
        && let Err(why) = super::authorized::check(&p, &config, users, deed)
    {
        msg.fatal(why).await;
        return UNAVAILABLE;
    }
    match (option, value) {
        ('p', None) => show(&p, &msg, |list| as_table(list, long)).await,
        ('j', None) => show(&p, &msg, as_json).await,
        ('f', None) => flush(&p, &msg).await,
        ('i', Some(id)) => flush_one(&p, &msg, id).await,
        ('s', Some(site)) => flush_site(&p, &msg, &config, site).await,
        _ => {
            msg.fatal(USAGE).await;
            UNAVAILABLE
        }
    }
}

async fn show(p: &Process, msg: &Msg, render: impl Fn(&[Listed]) -> String) -> i32 {
    let path = format!("{SPOOL}/public/showq");
    let answer = match p.connect_unix(&path).await {
        Ok(stream) => stream.receive::<Vec<Listed>>().await.ok_or(crate::world::errno::Errno::ECONNRESET),
        Err(e) => Err(e),
    };
    let list = match answer {
        Ok(list) => list,
        Err(e) if p.real_uid() == 0 => {
            let text = "Mail system is down -- accessing queue directly";
            msg.warn(format!("{text} (Connect to the Postfix showq service: {e})")).await;
            showq::list(p)
        }
        Err(e) => {
            let text = "Queue report unavailable - mail system is down";
            msg.fatal(format!("{text} (Connect to the Postfix showq service: {e})")).await;
            return UNAVAILABLE;
        }
    };
    p.print(render(&list)).await;
    0
}

/// The table, with room for long ids or short ones.
fn as_table(list: &[Listed], long: bool) -> String {
    if list.is_empty() {
        return "Mail queue is empty\n".to_owned();
    }
    let (title, id_width, time_width, indent) = match long {
        true => ("----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------", 17, 19, 47),
        false => ("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------", 10, 20, 41),
    };
    let mut out = format!("{title}\n");
    let mut total = 0;
    for m in list {
        total += m.size;
        let mark = match m.queue {
            Queue::Active => '*',
            Queue::Hold => '!',
            _ if m.expired => '#',
            _ => ' ',
        };
        let id = format!("{}{mark}", m.id);
        let time = m.arrival.strftime("%a %b %d %H:%M:%S");
        let _ = writeln!(
            out,
            "{id:<id_width$} {:>8} {time:<time_width$.time_width$} {}",
            m.size,
            address::quote(&m.sender)
        );
        let mut last = "";
        for (n, (recipient, reason)) in m.recipients.iter().enumerate() {
            // A reason is told once for all recipients in a row that share it.
            if !reason.is_empty() && (n == 0 || reason != last) {
                let reason = format!("({reason})");
                let _ = writeln!(out, "{reason:>78}");
            }
            last = reason;
            let _ = writeln!(out, "{:indent$}{}", "", address::quote(recipient));
        }
        out.push('\n');
    }
    let plural = if list.len() == 1 { "" } else { "s" };
    let _ = writeln!(out, "-- {} Kbytes in {} Request{plural}.", total / 1024, list.len());
    out
}

fn as_json(list: &[Listed]) -> String {
    let mut out = String::new();
    for m in list {
        let recipients: Vec<_> = m
            .recipients
            .iter()
            .map(|(address, reason)| match reason.as_str() {
                "" => json!({ "address": address }),
                reason => json!({ "address": address, "delay_reason": reason }),
            })
            .collect();
        let object = json!({
            "queue_name": m.queue.name(), "queue_id": m.id, "arrival_time": m.arrival.unix(),
            "message_size": m.size, "forced_expire": m.expired, "sender": m.sender, "recipients": recipients,
        });
        out.push_str(&spaced(&object.to_string()));
        out.push('\n');
    }
    out
}

/// The real one puts a blank after each `:` and `,` between values.
fn spaced(json: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::with_capacity(json.len() + 32), false, false);
    for c in json.chars() {
        out.push(c);
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ':' | ',' if !quoted => out.push(' '),
            _ => {}
        }
    }
    out
}

async fn flush(p: &Process, msg: &Msg) -> i32 {
    match master::trigger(p, &format!("{SPOOL}/public/qmgr"), Trigger("FAI")).await {
        Ok(()) => 0,
        Err(_) => {
            msg.fatal("Cannot flush mail queue - mail system is down").await;
            UNAVAILABLE
        }
    }
}

async fn flush_one(p: &Process, msg: &Msg, id: &str) -> i32 {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        msg.fatal(format!("Cannot flush queue ID - invalid name: \"{id}\"")).await;
        return UNAVAILABLE;
    }
    match super::flush::ask(p, super::flush::Request::Message(id.into())).await {
        Some(super::flush::Answer::Ok) => 0,
        Some(_) => {
            msg.fatal(format!("Flush request failed for queue id {id}")).await;
            UNAVAILABLE
        }
        None => {
            msg.warn("connect to public/flush: Connection refused").await;
            msg.fatal("Cannot flush mail queue - mail system is down").await;
            UNAVAILABLE
        }
    }
}

async fn flush_site(p: &Process, msg: &Msg, config: &Config, site: &str) -> i32 {
    if !address::is_valid_domain(site) {
        msg.fatal(format!("Cannot flush mail queue - invalid destination: \"{site}\"")).await;
        return UNAVAILABLE;
    }
    // Whether there is a service for it is known before it is called.
    let served = MatchList::domains("fast_flush_domains", config, p).is_ok_and(|list| list.matches(site));
    let answer = match served {
        true => super::flush::ask(p, super::flush::Request::Site(site.into())).await,
        false => Some(super::flush::Answer::Denied),
    };
    match answer {
        Some(super::flush::Answer::Ok) => 0,
        Some(super::flush::Answer::Denied) => {
            msg.fatal(format!("Flush service is not configured for destination \"{site}\"")).await;
            UNAVAILABLE
        }
        None => {
            msg.warn("connect to public/flush: Connection refused").await;
            msg.fatal("Cannot flush mail queue - mail system is down").await;
            UNAVAILABLE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn json_has_the_blanks_of_the_real_one() {
        assert_eq!(super::spaced(r#"{"a":"x, y:\"","b":[1,2]}"#), r#"{"a": "x, y:\"", "b": [1, 2]}"#);
    }
}

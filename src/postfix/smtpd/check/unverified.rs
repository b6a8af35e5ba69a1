//! Does an address exist, as far as mail to it would be taken (`reject_unverified_*`)?

use super::asked::Asked;
use super::restriction::Class;
use super::{Checks, Verdict};
use crate::postfix::verify::{self, Answer, Status};

/// No more of a reason is told, in octets.
const LONGEST: usize = 250;

impl Checks {
    /// Asks verify(8) about the sender or the recipient, and waits a while for the answer
    /// (`address_verify_poll_count`, `address_verify_poll_delay`).
    pub(super) async fn unverified(&self, class: Class, asked: &Asked<'_>) -> (Verdict, String) {
        let (address, name, dsn) = match class {
            Class::Sender => (asked.sender.clone(), "sender", "4.1.7"),
            _ => (asked.recipient.clone(), "recipient", "4.1.1"),
        };
        let Some(address) = address.filter(|a| !a.is_empty()) else {
            return (Verdict::Dunno, "there is no address to ask about".into());
        };
        let daemon = asked.session.daemon;
        let answer = poll(asked, &address).await;
        let compared = match &answer {
            Some(answer) => format!("{address} is {}: {}", word(answer.status), answer.text),
            None => format!("{} did not answer", daemon.string("address_verify_service_name")),
        };
        let Some(answer) = answer else {
            let text = format!("<{address}>: {} rejected: address verification problem", class.text());
            return (asked.tempfail(&format!("unverified_{name}_tempfail_action"), 450, dsn, text), compared);
        };
        let code = |what: &str| daemon.int(&format!("unverified_{name}_{what}_code")).clamp(200, 599) as u16;
        let told = daemon.string(&format!("unverified_{name}_reject_reason"));
        let told = if told.is_empty() { answer.text.clone() } else { told };
        let refused = |code: u16| {
            let what = if code / 100 == 5 { "undeliverable" } else { "unverified" };
            format!("<{address}>: {} rejected: {what} address: {}", class.text(), cut(&told))
        };
        let code = match answer.status {
            Status::Ok => return (Verdict::Dunno, compared),
            Status::Bounce => code("reject"),
            Status::Defer | Status::Todo => code("defer"),
        };
        let verdict = match code / 100 {
            5 => asked.reject(code, dsn, refused(code)),
            _ => asked.tempfail(&format!("unverified_{name}_tempfail_action"), code, dsn, refused(code)),
        };
        (verdict, compared)
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "deliverable",
        Status::Defer => "not deliverable now",
        Status::Bounce => "undeliverable",
        Status::Todo => "being probed",
    }
}

/// Asks until something is known, or patience is at its end.
async fn poll(asked: &Asked<'_>, address: &std::rc::Rc<str>) -> Option<Answer> {
    let daemon = asked.session.daemon;
    let (count, delay) =
        (daemon.int("address_verify_poll_count"), daemon.seconds("address_verify_poll_delay"));
    for n in 1.. {
        let answer = verify::query(daemon, address).await?;
        if answer.status != Status::Todo || n >= count {
            return Some(answer);
        }
        daemon.p.sleep(delay).await;
    }
    None
}

/// The start of a reason, at most [`LONGEST`] octets of whole characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

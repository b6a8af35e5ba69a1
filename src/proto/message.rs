//! Messages (RFC 5322): headers and body without a byte changed, and dates as mail writes them.

use std::fmt::Write;

/// A header of a message: the bytes from its name to the end of its last line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'m> {
    raw: &'m [u8],
    colon: usize,
}

impl<'m> Header<'m> {
    /// Its name, without blanks before the colon.
    pub fn name(&self) -> &'m [u8] {
        self.raw[..self.colon].trim_ascii_end()
    }

    /// What stands behind the colon, folded as it is, without blanks at either end.
    pub fn value(&self) -> &'m [u8] {
        self.raw[self.colon + 1..].trim_ascii()
    }

    /// All of it, with its line ends.
    pub fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// Is this its name?
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The headers at the start of a message whose lines end with LF or CR LF.
#[derive(Clone, Debug)]
pub struct Headers<'m> {
    rest: &'m [u8],
}

/// Reads headers up to the first line that is none.
pub fn headers(message: &[u8]) -> Headers<'_> {
    Headers { rest: message }
}

impl<'m> Headers<'m> {
    /// What follows the headers read so far: at their end, the body with the empty line before it.
    pub fn rest(&self) -> &'m [u8] {
        self.rest
    }
}

impl<'m> Iterator for Headers<'m> {
    type Item = Header<'m>;

    fn next(&mut self) -> Option<Header<'m>> {
        let rest = self.rest;
        let colon = memchr::memchr2(b':', b'\n', rest)?;
        // Blanks before the colon are tolerated, others are not (RFC 5322, section 4.5).
        let name = rest[..colon].trim_ascii_end();
        if rest[colon] != b':' || name.is_empty() || !name.iter().all(|b| (33..127).contains(b)) {
            return None;
        }
        let mut end = colon;
        loop {
            end = memchr::memchr(b'\n', &rest[end..]).map_or(rest.len(), |n| end + n + 1);
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        self.rest = &rest[end..];
        Some(Header { raw: &rest[..end], colon })
    }
}

/// What the addresses of a header are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Those it comes from, or answers go to.
    Sender,
    /// Those it goes to.
    Recipient,
}

/// What the addresses in the header of this name are, if it has any (RFC 5322, sections 3.6.2 to 3.6.7).
pub fn address_role(name: &[u8]) -> Option<Role> {
    const SENDERS: [&str; 11] = [
        "from",
        "sender",
        "reply-to",
        "errors-to",
        "return-receipt-to",
        "disposition-notification-to",
        "mail-followup-to",
        "resent-from",
        "resent-sender",
        "resent-reply-to",
        "return-path",
    ];
    const RECIPIENTS: [&str; 7] =
        ["to", "cc", "bcc", "apparently-to", "resent-to", "resent-cc", "resent-bcc"];
    let is = |list: &[&str]| list.iter().any(|h| name.eq_ignore_ascii_case(h.as_bytes()));
    if is(&SENDERS) {
        return Some(Role::Sender);
    }
    is(&RECIPIENTS).then_some(Role::Recipient)
}

/// Makes every CR LF an LF.
pub fn to_lf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date as a header has it (RFC 5322, section 3.3): `Tue, 24 Nov 2026 03:28:18 +0000`. The day of
/// the month takes two places, as Postfix writes it.
pub fn date(unix: u64) -> String {
    let (day, c) = civil(unix);
    let mut out = String::with_capacity(40);
    let _ = write!(
        out,
        "{day}, {:>2} {} {} {:02}:{:02}:{:02} +0000",
        c.day(),
        month(&c),
        c.year(),
        c.hour(),
        c.minute(),
        c.second()
    );
    out
}

/// The same with the name of the zone, as Postfix writes it.
pub fn date_with_zone(unix: u64) -> String {
    let mut out = date(unix);
    out.push_str(" (UTC)");
    out
}

/// A date as ctime(3) has it, on separator lines of mailboxes: `Tue Nov 24 03:28:18 2026`.
pub fn ctime(unix: u64) -> String {
    let (day, c) = civil(unix);
    format!(
        "{day} {} {:>2} {:02}:{:02}:{:02} {}",
        month(&c),
        c.day(),
        c.hour(),
        c.minute(),
        c.second(),
        c.year()
    )
}

fn civil(unix: u64) -> (&'static str, jiff::civil::DateTime) {
    let instant =
        jiff::Timestamp::from_second(i64::try_from(unix).unwrap_or(i64::MAX)).unwrap_or(jiff::Timestamp::MAX);
    (DAYS[(unix / 86400 % 7) as usize], jiff::tz::TimeZone::UTC.to_datetime(instant))
}

fn month(c: &jiff::civil::DateTime) -> &'static str {
    MONTHS[(c.month() as usize - 1) % 12]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_written_as_mail_and_ctime_write_them() {
        assert_eq!(date(1_795_490_898), "Tue, 24 Nov 2026 03:28:18 +0000");
        assert_eq!(date_with_zone(1_609_771_500), "Mon,  4 Jan 2021 14:45:00 +0000 (UTC)");
        assert_eq!(ctime(1_609_771_500), "Mon Jan  4 14:45:00 2021");
    }

    #[test]
    fn headers_end_at_the_first_line_that_is_none() {
        let m = b"Subject: a\n  b\nTo : c\n\nbody: no\n";
        let mut all = headers(m);
        let first = all.next().expect("there is one");
        assert_eq!((first.name(), first.value()), (&b"Subject"[..], &b"a\n  b"[..]));
        assert!(all.next().is_some_and(|h| h.is("to")));
        assert_eq!((all.next(), all.rest()), (None, &b"\nbody: no\n"[..]));
    }

    proptest! {
        #[test]
        fn no_byte_is_changed(message in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut all = headers(&message);
            let mut again: Vec<u8> = all.by_ref().flat_map(|h| h.raw().to_vec()).collect();
            again.extend_from_slice(all.rest());
            prop_assert_eq!(again, message);
        }
    }
}

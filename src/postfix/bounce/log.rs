//! The log file of a bounce service: a paragraph a recipient, readable by people and by `mailq`.
//!
//! ```text
//!
//! <carol@example.org>: connect to mx.example.org[203.0.113.25]:25: Connection refused
//! recipient=carol@example.org
//! offset=251
//! status=4.4.1
//! action=delayed
//! reason=connect to mx.example.org[203.0.113.25]:25: Connection refused
//!
//! ```

use super::Append;
use crate::postfix::deliver::Dsn;

/// A recipient in a log file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The address.
    pub recipient: String,
    /// The address before any expansion, or empty.
    pub original: String,
    /// `ORCPT=`, or empty.
    pub dsn_orcpt: String,
    /// `NOTIFY=` bits.
    pub notify: u8,
    /// Where its record is in the queue file.
    pub offset: u64,
    /// `failed`, `delayed`, …
    pub action: String,
    /// What came of it.
    pub dsn: Dsn,
}

/// An entry as text.
pub fn entry(append: &Append) -> String {
    let (r, dsn) = (&append.recipient, &append.dsn);
    let reason = &*dsn.reason;
    let mut out = String::with_capacity(150 + 2 * (r.address.len() + reason.len()));
    for part in ["\n<", &r.address, ">: ", reason, "\nrecipient=", &r.address, "\n"] {
        out.push_str(part);
    }
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            out.push_str(name);
            out.push('=');
            // A line end within would begin another field.
            match memchr::memchr2(b'\n', b'\r', value.as_bytes()) {
                Some(_) => out.push_str(&value.replace(['\n', '\r'], " ")),
                None => out.push_str(value),
            }
            out.push('\n');
        }
    };
    if !r.original.eq_ignore_ascii_case(&r.address) {
        field("original_recipient", &r.original);
    }
    if r.offset > 0 {
        field("offset", &r.offset.to_string());
    }
    field("dsn_orig_rcpt", &r.dsn_orcpt);
    if r.dsn_notify != 0 {
        field("notify_flags", &r.dsn_notify.to_string());
    }
    field("status", &dsn.status);
    field("action", append.action);
    field("diag_type", &dsn.diagnostic_type);
    field("diag_text", &dsn.diagnostic_text);
    field("mta_type", &dsn.mta_type);
    field("mta_name", &dsn.mta_name);
    field("reason", reason);
    out.push('\n');
    out
}

/// The entries of a log file; what cannot be read is passed over.
pub fn parse(text: &str) -> Vec<Entry> {
    let mut all = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut e = Entry::default();
        for (name, value) in paragraph.lines().filter_map(|l| l.trim_end().split_once('=')) {
            match name {
                "recipient" => e.recipient = value.to_owned(),
                "original_recipient" => e.original = value.to_owned(),
                "offset" => e.offset = value.parse().unwrap_or(0),
                "dsn_orig_rcpt" => e.dsn_orcpt = value.to_owned(),
                "notify_flags" => e.notify = value.parse().unwrap_or(0),
                "status" => e.dsn.status = value.into(),
                "action" => e.action = value.to_owned(),
                "diag_type" => e.dsn.diagnostic_type = value.into(),
                "diag_text" => e.dsn.diagnostic_text = value.into(),
                "mta_type" => e.dsn.mta_type = value.into(),
                "mta_name" => e.dsn.mta_name = value.into(),
                "reason" => e.dsn.reason = value.into(),
                _ => {}
            }
        }
        if !e.recipient.is_empty() {
            all.push(e);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postfix::queue::Recipient;

    #[test]
    fn what_is_noted_is_read_back() {
        let recipient = Recipient {
            offset: 251,
            original: "www".into(),
            address: "carol@example.org".into(),
            dsn_orcpt: "rfc822;www".into(),
            dsn_notify: 6,
        };
        let dsn = Dsn::new("4.4.1", "connect to mx[192.0.2.1]:25: Connection refused");
        let append = Append {
            id: "A1B2C3D".into(),
            recipient,
            relay: "none".into(),
            dsn: dsn.clone(),
            action: "delayed",
        };
        let text = entry(&append) + &entry(&append);
        let read = parse(&text);
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].recipient, "carol@example.org");
        assert_eq!(read[0].original, "www");
        assert_eq!((read[0].offset, read[0].notify), (251, 6));
        assert_eq!(read[0].dsn, dsn);
    }
}

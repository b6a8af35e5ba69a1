//! Every parameter of Postfix 3.7.11: its name, its type with its limits, its default.
//!
//! The data are in `parameters.txt`, one parameter a line, sorted by name:
//!
//! ```text
//! name : type limits = default
//! ```
//!
//! The types:
//!
//! | type | what a value is | its default is |
//! |---|---|---|
//! | `string` | text in which `$name` is filled in; the limits are of its length | expanded |
//! | `raw` | text that the program expands itself, later, with names of its own | as it stands |
//! | `int`, `long` | a decimal number, of 32 or 64 bits | a number |
//! | `int-expr`, `bool-expr` | the same as `int` and `bool` | an expression |
//! | `bool` | `yes` or `no`, in any case | |
//! | `time` | numbers with units s, m, h, d, w; the default's last letter is the unit of a bare number | |
//! | `computed`, `computed!` | text computed from the host; with `!` it may not be set to nothing | from the host |
//! | `readonly` | known to a running program, not for setting | from the process |
//!
//! A lower limit of 0 is never checked, as in the real program.

use std::sync::OnceLock;

/// What kind of value a parameter takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text, expanded when it is read; limits are of its length in bytes.
    String,
    /// Text, handed to the program unexpanded.
    Raw,
    /// A number of 32 bits.
    Int,
    /// A number of 64 bits.
    Long,
    /// `yes` or `no`.
    Bool,
    /// A duration in whole seconds.
    Time,
    /// Text whose default the host determines: myhostname, mydomain, mynetworks.
    Computed,
    /// Set by the running program: process_id, process_name, service_name.
    ReadOnly,
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What kind of value it takes.
    pub kind: Kind,
    /// Smallest value, or shortest text; 0 for none.
    pub min: i64,
    /// Largest value, or longest text; 0 for none.
    pub max: i64,
    /// What postconf -d prints; empty for computed ones.
    pub default: &'static str,
}

/// All parameters, sorted by name as `LC_ALL=C sort` does.
pub fn all() -> &'static [Parameter] {
    static TABLE: OnceLock<Vec<Parameter>> = OnceLock::new();
    TABLE.get_or_init(|| include_str!("parameters.txt").lines().filter_map(row).collect())
}

/// The parameter of this name.
pub fn find(name: &str) -> Option<&'static Parameter> {
    let table = all();
    table.binary_search_by(|p| p.name.cmp(name)).ok().map(|i| &table[i])
}

/// What follows a transport's name in a parameter of its own: `smtp_recipient_limit` has the
/// default `$default_recipient_limit`. Each is (end of the name, default, kind), in the order of
/// the manual page of qmgr(8).
pub const OF_TRANSPORT: &[(&str, &str, Kind)] = &[
    ("_recipient_limit", "$default_recipient_limit", Kind::Int),
    ("_extra_recipient_limit", "$default_extra_recipient_limit", Kind::Int),
    ("_recipient_refill_limit", "$default_recipient_refill_limit", Kind::Int),
    ("_recipient_refill_delay", "$default_recipient_refill_delay", Kind::Time),
    ("_delivery_slot_cost", "$default_delivery_slot_cost", Kind::Int),
    ("_delivery_slot_loan", "$default_delivery_slot_loan", Kind::Int),
    ("_delivery_slot_discount", "$default_delivery_slot_discount", Kind::Int),
    ("_minimum_delivery_slots", "$default_minimum_delivery_slots", Kind::Int),
    ("_initial_destination_concurrency", "$initial_destination_concurrency", Kind::Int),
    ("_destination_concurrency_limit", "$default_destination_concurrency_limit", Kind::Int),
    ("_destination_recipient_limit", "$default_destination_recipient_limit", Kind::Int),
    (
        "_destination_concurrency_positive_feedback",
        "$default_destination_concurrency_positive_feedback",
        Kind::String,
    ),
    (
        "_destination_concurrency_negative_feedback",
        "$default_destination_concurrency_negative_feedback",
        Kind::String,
    ),
    (
        "_destination_concurrency_failed_cohort_limit",
        "$default_destination_concurrency_failed_cohort_limit",
        Kind::Int,
    ),
    ("_destination_rate_delay", "$default_destination_rate_delay", Kind::Time),
    ("_transport_rate_delay", "$default_transport_rate_delay", Kind::Time),
];

/// What follows the name of a service that runs a command: pipe(8) and spawn(8).
pub const OF_COMMAND_SERVICE: &[(&str, &str, Kind)] = &[("_time_limit", "$command_time_limit", Kind::Time)];

/// The default of a parameter that carries a transport's or service's name, if `name` ends so.
pub fn of_service(name: &str) -> Option<(&'static str, Kind)> {
    // The longest end decides: `x_destination_recipient_limit` also ends in `_recipient_limit`.
    OF_TRANSPORT
        .iter()
        .chain(OF_COMMAND_SERVICE)
        .filter(|(end, ..)| name.len() > end.len() && name.ends_with(end))
        .max_by_key(|(end, ..)| end.len())
        .map(|&(_, default, kind)| (default, kind))
}

fn row(line: &'static str) -> Option<Parameter> {
    let (name, rest) = line.split_once(" : ")?;
    let (kind, default) = rest.split_once(" =")?;
    let (kind, limits) = kind.split_once(' ').unwrap_or((kind, ""));
    let (min, max) = limits.split_once("..").unwrap_or(("", ""));
    let mut min = min.parse().unwrap_or(0);
    let kind = match kind {
        "raw" => Kind::Raw,
        "int" | "int-expr" => Kind::Int,
        "long" => Kind::Long,
        "bool" | "bool-expr" => Kind::Bool,
        "time" => Kind::Time,
        "readonly" => Kind::ReadOnly,
        "computed" => Kind::Computed,
        "computed!" => {
            min = 1;
            Kind::Computed
        }
        _ => Kind::String,
    };
    Some(Parameter { name, kind, min, max: max.parse().unwrap_or(0), default: default.trim_start() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_row_and_they_are_sorted() {
        assert_eq!(all().len(), include_str!("parameters.txt").lines().count());
        assert!(all().windows(2).all(|w| w[0].name < w[1].name));
    }

    #[test]
    fn a_row_tells_type_limits_and_default() {
        let p = find("in_flow_delay").unwrap();
        assert_eq!((p.kind, p.min, p.max, p.default), (Kind::Time, 0, 10, "1s"));
        assert_eq!(find("mydomain").unwrap().min, 1);
        assert_eq!(find("smtpd_banner").unwrap().default, "$myhostname ESMTP $mail_name");
        assert_eq!(find("relayhost").unwrap().default, "");
        assert!(find("smtpd_reciepient_limit").is_none());
    }

    #[test]
    fn a_transport_has_parameters_of_its_own() {
        assert_eq!(
            of_service("smtp_destination_recipient_limit").unwrap().0,
            "$default_destination_recipient_limit"
        );
        assert_eq!(of_service("smtp_extra_recipient_limit").unwrap().0, "$default_extra_recipient_limit");
        assert_eq!(of_service("filter_time_limit").unwrap().1, Kind::Time);
        assert_eq!(of_service("_time_limit"), None);
    }
}

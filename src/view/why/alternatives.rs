//! Which settings would have changed an answer: worked out from the decisions that led to it.

use super::chain::operand;
use crate::trace::{Decision, Outcome};

/// What would have turned a refusal by these decisions, the last of which is the refusal itself,
/// into a yes.
pub fn to_accept(decisions: &[&Decision], reply: &str) -> Vec<String> {
    let Some((last, before)) = decisions.split_last() else { return Vec::new() };
    let mut all = Vec::new();
    for d in before.iter().filter(|d| d.setting == last.setting && d.outcome == Outcome::No) {
        all.extend(permission(d));
    }
    all.extend(refusal(last, reply));
    all.dedup();
    all
}

/// How a restriction that permits nothing yet would have permitted.
fn permission(d: &Decision) -> Option<String> {
    let (rule, argument) = d.rule.split_once(' ').unwrap_or((&d.rule, ""));
    let (compared, _) = operand(&d.compared);
    let what = compared.split(" is not").next().unwrap_or(compared).trim();
    match rule {
        "permit_mynetworks" => Some(format!("mynetworks contains {what}")),
        "permit_sasl_authenticated" => {
            Some("the client had logged in (smtpd_sasl_auth_enable = yes)".to_owned())
        }
        "permit_tls_clientcerts" | "permit_tls_all_clientcerts" => {
            Some("the client had shown a certificate that is known".to_owned())
        }
        "permit_inet_interfaces" => Some("the client were this host itself".to_owned()),
        "permit_auth_destination" => None,
        _ if rule.starts_with("check_") && rule.ends_with("_access") => {
            Some(format!("{argument} says OK to {what}"))
        }
        _ => None,
    }
}

/// How the rule that refused would not have.
fn refusal(d: &Decision, reply: &str) -> Vec<String> {
    let (rule, argument) = d.rule.split_once(' ').unwrap_or((&d.rule, ""));
    let (compared, _) = operand(&d.compared);
    let first = compared.split(' ').next().unwrap_or(compared);
    match rule {
        "reject_unauth_destination" | "defer_unauth_destination" | "permit_auth_destination" => {
            vec![
                format!("relay_domains contains {first}"),
                format!("mydestination contains {first} (it is delivered here then)"),
            ]
        }
        "does" | "reject_unlisted_recipient" | "reject_unlisted_sender" => unlisted(reply, first),
        _ if rule.starts_with("check_") && rule.ends_with("_access") => {
            vec![format!("{argument} says OK or DUNNO to {first}, or nothing of it")]
        }
        "reject_non_fqdn_helo_hostname" | "reject_non_fqdn_hostname" => {
            vec!["the client greets with a name that has a domain".to_owned()]
        }
        "reject_invalid_helo_hostname" | "reject_invalid_hostname" => {
            vec!["the client greets with a name that can be a host's".to_owned()]
        }
        "reject_non_fqdn_sender" => vec!["the sender's address has a full domain".to_owned()],
        "reject_non_fqdn_recipient" => vec!["the recipient's address has a full domain".to_owned()],
        "reject_unknown_sender_domain" => {
            vec![format!("DNS has an MX or A record for the domain of {first}")]
        }
        "reject_unknown_recipient_domain" => {
            vec![format!("DNS has an MX or A record for the domain of {first}")]
        }
        "reject_unknown_client_hostname" | "reject_unknown_reverse_client_hostname" => {
            vec!["the client's address has a name in DNS, and the name that address".to_owned()]
        }
        "reject_unknown_helo_hostname" => {
            vec!["DNS has an A or MX record for the client's greeting".to_owned()]
        }
        _ if d.setting.starts_with("smtpd_") => vec![format!("{} does not name {rule}", d.setting)],
        _ => Vec::new(),
    }
}

fn unlisted(reply: &str, address: &str) -> Vec<String> {
    let user = address.split('@').next().unwrap_or(address);
    if reply.contains("local recipient table") {
        return vec![
            format!("there is a user {user} on the host"),
            format!("alias_maps name {user}"),
            "local_recipient_maps is empty (then nobody is refused, and unknown".to_owned()
                + " users' mail is returned later)",
        ];
    }
    let table = ["relay recipient", "virtual mailbox", "virtual alias"]
        .into_iter()
        .find(|t| reply.contains(&format!("{t} table")));
    match table {
        Some(table) => vec![format!("{}_maps name {address}", table.replace(' ', "_"))],
        None => Vec::new(),
    }
}

/// What would have refused something that was taken.
pub fn to_refuse(decisions: &[&Decision]) -> Vec<String> {
    let yes = decisions.iter().find(|d| d.outcome == Outcome::Yes && d.rule.starts_with("permit"));
    if let Some(d) = yes {
        let (compared, _) = operand(&d.compared);
        let what = compared.split(" is in").next().unwrap_or(compared);
        return match &*d.rule {
            "permit_mynetworks" => {
                vec![format!("mynetworks does not contain {what}, and nothing else permits")]
            }
            _ => vec![format!("{} does not name {}", d.setting, d.rule)],
        };
    }
    let ours = decisions.iter().find(|d| d.rule.contains("unauth_destination") && d.outcome == Outcome::No);
    ours.map(|d| {
        let domain = d.compared.split(' ').next().unwrap_or_default();
        format!("{domain} is in none of mydestination, relay_domains and the virtual domains")
    })
    .into_iter()
    .collect()
}

/// What would have had a letter delivered that was not: from the reason that was logged.
pub fn to_deliver(reason: &str, to: &str) -> Vec<String> {
    let user = to.split('@').next().unwrap_or(to);
    let between = |a: &str, b: &str| {
        let rest = reason.split_once(a)?.1;
        Some(rest.split(b).next().unwrap_or(rest).to_owned())
    };
    if reason.starts_with("unknown user") {
        return vec![
            format!("there is a user {user} on the host"),
            format!("alias_maps name {user}"),
            "luser_relay or fallback_transport says who takes unknown users' mail".to_owned(),
        ];
    }
    if reason.contains("Connection refused")
        && let Some(place) = between("connect to ", ": ")
    {
        return vec![
            format!("a server listens at {place}"),
            "relayhost or transport_maps names another host".to_owned(),
        ];
    }
    if reason.contains("Connection timed out")
        && let Some(place) = between("connect to ", ": ")
    {
        return vec![
            format!("{place} can be reached"),
            "relayhost or transport_maps names another host".to_owned(),
        ];
    }
    if reason.contains("Name service error")
        && let Some(name) = between("name=", " ")
    {
        return vec![
            format!("DNS knows {name}"),
            "relayhost or transport_maps names another host".to_owned(),
        ];
    }
    if reason.contains("forwarding loop") {
        return vec![format!("the aliases and .forward files do not lead back to {user}")];
    }
    if reason.contains("loops back to myself") {
        let domain = to.rsplit('@').next().unwrap_or(to);
        return vec![
            format!("mydestination contains {domain}"),
            format!("DNS names another host for {domain}"),
        ];
    }
    if reason == "deferred transport" {
        return vec!["defer_transports does not name the transport".to_owned()];
    }
    Vec::new()
}

//! The small Internet that the lab opens with when no scenario is named.

use super::lab::Lab;
use crate::scenario::model::{Scenario, Service};
use std::fmt::Write;

/// Its hosts.
pub const SCENARIO: &str = include_str!("start.yaml");

/// Where one sits down: the host, the user.
pub fn seat() -> (String, String) {
    ("lpic2-study-1".to_owned(), "wand".to_owned())
}

/// What to try first: what is typed, and what comes of it.
const FIRST: [(&str, &str); 5] = [
    ("telnet mx.example.com 25", "speak SMTP yourself"),
    ("date | mail -s hello alice@example.com", "send a letter; then  :flow"),
    (":freeze", "stop time; :next follows the letter"),
    (":why", "after any answer that surprises you"),
    (":help", "everything else; Ctrl-D leaves"),
];

/// What is said before the first prompt: who is there, and what to try.
pub fn greeting(lab: &Lab) -> String {
    let mut out =
        "maillab: a small Internet in this terminal. Nothing here is real and nothing can break.\n\n"
            .to_owned();
    out.push_str(&hosts(lab));
    out.push('\n');
    let width = FIRST.iter().map(|(typed, _)| typed.len()).max().unwrap_or(0);
    for (typed, what) in FIRST {
        let _ = writeln!(out, "  {typed:<width$}  {what}");
    }
    out
}

/// Who is who and what runs: a line a host.
pub fn hosts(lab: &Lab) -> String {
    let scenario = lab.scenario();
    let width = scenario.hosts.keys().map(|n| n.len()).max().unwrap_or(0).max(8);
    let mut out = String::new();
    for (name, host) in &scenario.hosts {
        let address = host.addresses.first().map_or_else(String::new, ToString::to_string);
        let services: Vec<&str> = host.services.iter().map(service).collect();
        let line = format!(
            "  {name:<width$}  {address:<14}  {:<16}  {}",
            services.join(", "),
            who(lab, scenario, name)
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn service(service: &Service) -> &'static str {
    match service {
        Service::Postfix => "postfix",
        Service::Dovecot => "dovecot",
    }
}

/// Who has an account there, or what the host is for.
fn who(lab: &Lab, scenario: &Scenario, name: &str) -> String {
    let Some(host) = scenario.hosts.get(name) else { return String::new() };
    let here = lab.place().filter(|p| &**p.host().name() == name);
    if let Some(place) = here {
        return format!("you are here, as {}", place.user());
    }
    if !host.users.is_empty() {
        return host.users.keys().cloned().collect::<Vec<_>>().join(", ");
    }
    match name {
        "stranger.example.net" => "trusted by nobody".to_owned(),
        _ => String::new(),
    }
}

//! The trace as one page: a table of events with a box that filters it. It needs nothing from
//! elsewhere, follows the reader's choice of light or dark, and shows every text as text.

use crate::trace::{Kind, Trace, text};
use std::fmt::Write;

const STYLE: &str = "\
:root { color-scheme: light dark; --line: #8884; --dim: #888; --said: #06c; --no: #b30; }
@media (prefers-color-scheme: dark) { :root { --said: #6bf; --no: #f86; } }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1rem auto; max-width: 90rem; padding: 0 1rem; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem; position: sticky; top: 0; }
table { border-collapse: collapse; width: 100%; font-family: ui-monospace, monospace; font-size: 12px; }
td, th { border-bottom: 1px solid var(--line); padding: .15rem .5rem; text-align: left; vertical-align: top; }
td:nth-child(-n+4) { white-space: nowrap; color: var(--dim); }
td:last-child { overflow-wrap: anywhere; }
tr.said td:last-child { color: var(--said); }
tr.decision td:last-child { font-style: italic; }
tr.fault td:last-child { color: var(--no); }
@media (max-width: 40rem) { td:nth-child(2), th:nth-child(2) { display: none; } }
";

const SCRIPT: &str = "\
const box = document.querySelector('input'), rows = [...document.querySelectorAll('tbody tr')];
box.addEventListener('input', () => {
  const text = box.value.toLowerCase();
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(text);
});
";

/// The page.
pub fn html(trace: &Trace, title: &str) -> String {
    let mut out = String::new();
    let title = escaped(title);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p>{} events.</p>\n<input type=\"search\" placeholder=\"a host, a program, a queue id, a reply\" \
         aria-label=\"show only events with this text\">\n<table>\n<thead><tr><th>#</th><th>time</th>\
         <th>host</th><th>process</th><th>what</th></tr></thead>\n<tbody>\n",
        trace.len()
    );
    trace.each(|id, event| {
        let named = trace.process(event.process).filter(|p| p.pid > 0);
        let host = named.map_or(String::new(), |p| escaped(&p.host));
        let process = named.map_or(String::new(), |p| escaped(&format!("{}[{}]", p.program, p.pid)));
        let mut what = String::new();
        text::what(trace, &event.kind, true, &mut what);
        let _ = writeln!(
            out,
            "<tr class=\"{}\"><td>{id}</td><td>{}</td><td>{host}</td><td>{process}</td><td>{}</td></tr>",
            class(&event.kind),
            event.time,
            escaped(&what)
        );
    });
    let _ = write!(out, "</tbody>\n</table>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// What kind of event a row shows, for its colour.
fn class(kind: &Kind) -> &'static str {
    match kind {
        Kind::Sent { .. } => "said",
        Kind::Decision(_) => "decision",
        Kind::Fault { .. } | Kind::Lost { .. } => "fault",
        _ => "",
    }
}

/// A text in which nothing is markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Keep, ProcId};
    use crate::world::clock::Time;

    #[test]
    fn texts_stay_texts() {
        let mut trace = Trace::new(Keep::All);
        let line = "RCPT TO:<script>alert(1)</script>".into();
        trace.record(Time::DEFAULT, ProcId::default(), None, Kind::Log { line });
        let page = html(&trace, "<b>&");
        assert!(page.contains("RCPT TO:&lt;script&gt;alert(1)&lt;/script&gt;"), "{page}");
        assert!(page.contains("<title>&lt;b&gt;&amp;</title>"));
    }
}

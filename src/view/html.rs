//! A trace as one page for a browser: a table of its events with a box to filter them by. The page
//! needs nothing from outside, and follows the reader's choice of light or dark.

use super::reading::Reading;
use crate::trace::{Trace, text};
use std::fmt::Write;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--dim:#777}
body{font:14px/1.4 system-ui,sans-serif;margin:1rem}
input{font:inherit;padding:.3rem;width:min(40rem,100%)}
table{border-collapse:collapse;margin-top:1rem;width:100%}
th,td{text-align:left;vertical-align:top;padding:.15rem .6rem;border-bottom:1px solid var(--line)}
td{font:12px/1.4 ui-monospace,monospace}
td:last-child{overflow-wrap:anywhere}
td.n{color:var(--dim);text-align:right}
tr:target{outline:2px solid}
";

/// Rows stay that hold every word of the box.
const SCRIPT: &str = "\
const box=document.querySelector('input'),rows=[...document.querySelectorAll('tbody tr')];
box.addEventListener('input',()=>{
  const words=box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for(const r of rows){const t=r.textContent.toLowerCase();r.hidden=!words.every(w=>t.includes(w));}
});
";

/// The page; `title` stands on top.
pub fn html(trace: &Trace, title: &str) -> String {
    let title = escape(title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <label>Show events with: <input type=\"search\" autofocus></label>\n<table>\n\
         <thead><tr><th>#<th>time<th>host<th>process<th>what<th>cause</tr></thead>\n<tbody>\n"
    );
    for e in Reading::new(trace).events() {
        let n = e.id;
        let process = if e.pid > 0 { format!("{}[{}]", e.program, e.pid) } else { String::new() };
        let cause = e.event.cause.map_or(String::new(), |c| format!("<a href=\"#e{c}\">{c}</a>"));
        let _ = writeln!(
            out,
            "<tr id=\"e{n}\"><td class=\"n\">{n}<td>{}<td>{}<td>{}<td>{}<td class=\"n\">{cause}</tr>",
            e.event.time,
            escape(e.host),
            escape(&process),
            escape(&text::describe(trace, &e.event.kind, true)),
        );
    }
    let _ = write!(out, "</tbody>\n</table>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Text as it may stand between tags and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

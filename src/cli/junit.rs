//! A report in the form that JUnit made common, for continuous integration.

use super::run::Result;
use std::fmt::Write;

/// The report as XML.
pub fn report(results: &[Result]) -> String {
    let failed = results.iter().filter(|r| r.status != 0).count();
    let seconds: f64 = results.iter().map(|r| r.wall.as_secs_f64()).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuite name=\"maillab\" tests=\"{}\" failures=\"{failed}\" time=\"{seconds:.3}\">",
        results.len()
    );
    for r in results {
        let _ = write!(
            out,
            "  <testcase name=\"{}\" classname=\"scenario\" time=\"{:.3}\"",
            escape(&r.name),
            r.wall.as_secs_f64()
        );
        if r.status == 0 {
            out.push_str("/>\n");
        } else {
            let _ = writeln!(out, ">\n    <failure>{}</failure>\n  </testcase>", escape(&r.details));
        }
    }
    out.push_str("</testsuite>\n");
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            // XML 1.0 has no other control characters.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

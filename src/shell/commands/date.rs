//! date(1): tells the virtual time, or writes another one.
//!
//! # Simplifications
//! The only time zone is UTC. `-d` understands `@SECONDS`, ISO dates with and without a time,
//! `Jan 4 2021 10:00`, `now`, `today`, `yesterday`, `tomorrow`, and `[+-]N unit [ago]`. The
//! clock cannot be set.

use super::options::{NONE, Options};
use super::tool::{Tool, quoted};
use crate::world::clock::{Duration, Time};
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[OPTION]... [+FORMAT]",
    short: "d:I::Rr:u",
    long: &[
        ("date=", 'd'),
        ("iso-8601?", 'I'),
        ("rfc-email", 'R'),
        ("reference=", 'r'),
        ("utc", 'u'),
        ("universal", 'u'),
    ],
    absent: "fs",
    ..NONE
};

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut time = tool.p.now();
    if let Some(path) = parsed.value('r') {
        match tool.p.stat(path, true) {
            Ok(stat) => time = stat.mtime,
            Err(e) => {
                tool.complain(format!("{path}: {e}")).await;
                return 1;
            }
        }
    }
    if let Some(text) = parsed.value('d') {
        match read(text, tool.p.now()) {
            Some(read) => time = read,
            None => {
                tool.complain(format!("invalid date {}", quoted(text))).await;
                return 1;
            }
        }
    }
    let mut wanted = "%a %b %e %H:%M:%S UTC %Y".to_owned();
    if parsed.has('R') {
        wanted = "%a, %d %b %Y %H:%M:%S +0000".into();
    }
    if parsed.has('I') {
        wanted = match parsed.value('I') {
            None | Some("date") => "%Y-%m-%d",
            Some("hours") => "%Y-%m-%dT%H+00:00",
            Some("minutes") => "%Y-%m-%dT%H:%M+00:00",
            Some("seconds") => "%Y-%m-%dT%H:%M:%S+00:00",
            Some("ns") => "%Y-%m-%dT%H:%M:%S,%N+00:00",
            Some(other) => {
                return tool.usage(format!("invalid argument {} for '--iso-8601'", quoted(other)), 1).await;
            }
        }
        .into();
    }
    for operand in &parsed.operands {
        match operand.strip_prefix('+') {
            Some(format) => wanted = format.to_owned(),
            None => {
                tool.complain(format!("invalid date {}", quoted(operand))).await;
                return 1;
            }
        }
    }
    if let Some(extra) = parsed.operands.get(1) {
        return tool.usage(format!("extra operand {}", quoted(extra)), 1).await;
    }
    tool.line(format(time, &wanted)).await;
    tool.done().await
}

/// An instant written by a format of date(1): strftime(3) with `%N` and the flags `-`, `_`, `0`, `^`.
pub fn format(time: Time, format: &str) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::from("%");
        while let Some(flag) = chars.next_if(|c| "-_0^#:".contains(*c) || c.is_ascii_digit()) {
            spec.push(flag);
        }
        let Some(letter) = chars.next() else {
            out.push_str(&spec);
            break;
        };
        match letter {
            'N' => {
                let digits: usize = spec[1..].parse().unwrap_or(9).clamp(1, 9);
                out.push_str(&format!("{:09}", time.nanos() % 1_000_000_000)[..digits]);
            }
            'n' => out.push('\n'),
            't' => out.push('\t'),
            '%' => out.push('%'),
            'Z' => out.push_str("UTC"),
            'z' => out.push_str(if spec.contains(':') { "+00:00" } else { "+0000" }),
            'c' => out.push_str(&time.strftime("%a %b %e %H:%M:%S %Y")),
            'x' | 'D' => out.push_str(&time.strftime("%m/%d/%y")),
            'X' => out.push_str(&time.strftime("%H:%M:%S")),
            'r' => out.push_str(&time.strftime("%I:%M:%S %p")),
            'R' => out.push_str(&time.strftime("%H:%M")),
            'h' => out.push_str(&time.strftime("%b")),
            'q' => out.push_str(&(time.civil().month() as u8).div_ceil(3).to_string()),
            's' => out.push_str(&time.unix().to_string()),
            letter if "aAbBCdeFgGHIjklmMpPSTuUVwWyY".contains(letter) => {
                out.push_str(&time.strftime(&format!("{}{letter}", spec.replace([':', '+'], ""))));
            }
            letter => {
                out.push_str(&spec);
                out.push(letter);
            }
        }
    }
    out
}

/// The instant that a text of `date -d` or `touch -d` tells.
pub fn read(text: &str, now: Time) -> Option<Time> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok().filter(|s| *s < 1 << 33).map(Time::from_unix);
    }
    let day = Duration::from_secs(86400);
    match text {
        "" => return Some(Time::from_unix(now.unix() / 86400 * 86400)),
        "now" | "today" => return Some(now),
        "tomorrow" => return Some(now + day),
        "yesterday" => return back(now, 86400),
        _ => {}
    }
    if let Some(time) = relative(text, now) {
        return Some(time);
    }
    let plain = text
        .trim_end_matches('Z')
        .trim_end_matches(" UTC")
        .trim_end_matches("+00:00")
        .trim_end_matches(" +0000");
    let formats = [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%b %d %Y %H:%M:%S",
        "%b %d %Y %H:%M",
        "%d %b %Y %H:%M:%S",
        "%d %b %Y %H:%M",
        "%a, %d %b %Y %H:%M:%S",
        "%a %b %d %H:%M:%S %Y",
        "%Y%m%d %H:%M",
    ];
    for format in formats {
        if let Ok(time) = jiff::civil::DateTime::strptime(format, plain) {
            return instant(time);
        }
    }
    for format in ["%Y-%m-%d", "%b %d %Y", "%d %b %Y", "%Y%m%d", "%m/%d/%Y"] {
        if let Ok(date) = jiff::civil::Date::strptime(format, plain) {
            return instant(date.at(0, 0, 0, 0));
        }
    }
    for format in ["%H:%M:%S", "%H:%M"] {
        if let Ok(time) = jiff::civil::Time::strptime(format, plain) {
            return instant(now.civil().date().to_datetime(time));
        }
    }
    None
}

/// The instant of a date and time in UTC.
pub fn instant(time: jiff::civil::DateTime) -> Option<Time> {
    let seconds = jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?.as_second();
    u64::try_from(seconds).ok().filter(|s| *s < 1 << 33).map(Time::from_unix)
}

fn back(now: Time, seconds: u64) -> Option<Time> {
    now.nanos().checked_sub(seconds.checked_mul(1_000_000_000)?).map(Time::from_nanos)
}

/// `+2 hours`, `3 days ago`, `1 week`.
fn relative(text: &str, now: Time) -> Option<Time> {
    let (ago, text) = match text.strip_suffix("ago") {
        Some(rest) => (true, rest.trim()),
        None => (false, text),
    };
    let digits = text.trim_start_matches(['+', '-']);
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    let n: u64 = digits[..end].parse().ok()?;
    let unit = match digits[end..].trim().trim_end_matches('s') {
        "sec" | "second" => 1,
        "min" | "minute" => 60,
        "hour" => 3600,
        "day" => 86400,
        "week" => 604_800,
        "fortnight" => 1_209_600,
        _ => return None,
    };
    let seconds = n.checked_mul(unit).filter(|s| *s < 1 << 33)?;
    if ago != text.starts_with('-') { back(now, seconds) } else { Some(now + Duration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_date_reads() {
        let now = Time::DEFAULT;
        let at = |text| read(text, now).map(Time::unix);
        assert_eq!(at("@0"), Some(0));
        assert_eq!(at("2021-01-04 10:00"), Some(1_609_754_400));
        assert_eq!(at("2021-01-04"), Some(1_609_718_400));
        assert_eq!(at("2 hours ago"), Some(now.unix() - 7200));
        assert_eq!(at("+1 day"), Some(now.unix() + 86400));
        assert_eq!(at("rubbish"), None);
        assert_eq!(at("99999999999999999999 days"), None);
    }
}

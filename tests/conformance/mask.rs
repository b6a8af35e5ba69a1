//! What differs between two honest runs is masked: queue ids, process ids, clocks, delays, unique
//! file names. The rules are those of `oracle normalise`, one for one.

use fancy_regex::{Captures, Regex};
use std::sync::LazyLock;

const MONTH: &str = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const DAY: &str = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";

/// A pattern (MONTH and DAY stand for the names) and what it becomes.
const RULES: &[(&str, &str)] = &[
    (r"DAY,? +\d+ MONTH \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "DATE"),
    (r"DAY MONTH +\d+ \d\d:\d\d:\d\d(?: \d{4})?", "DATE"),
    (r"MONTH +\d+ +(?:\d\d:\d\d(?::\d\d)?|\d{4}\b)", "DATE"),
    (r"\b\d\d?-MONTH-\d{4} \d\d:\d\d:\d\d [+-]\d{4}", "DATE"),
    (r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", "DATE"),
    (r"\b\d{14}\.(?=[0-9A-F]{6,})", "STAMP."),
    (r"(?<=\w)\[\d{1,7}\](?=[: ])", "[PID]"),
    (r"\bdelay=[\d.]+", "delay=N"),
    (r"\bdelays=[\d./]+", "delays=N"),
    (
        r#"\b\d{10}\.[A-Za-z0-9_]+\.([\w.-]+?)(?:,[SW]=\d+[\w,=]*)?(:2,\w*)?(?=[\s'"/:]|$)"#,
        "MAILDIRNAME.$1$2",
    ),
    (r"\b([0-9A-F]{6,12})\.\d{10}/", "$1.STAMP/"),
    (r#""(arrival_time|message_size)": \d+"#, r#""$1": N"#),
    (r"\b(deferred|defer)/[0-9A-F]/(?=[0-9A-F]{6,12}\b)", "$1/H/"),
    (r"^message_size: .*$", "message_size: N"),
    (r"\bmessage size \d+ (?=exceeds)", "message size N "),
    (r"\b(PID:|pid) \d+\b", "$1 N"),
    (r"\b(from userid |uid=|pid=|size=|UIDVALIDITY |UIDVALIDITY=|HIGHESTMODSEQ )\s*\d+", "${1}N"),
    (r"\]:\d{4,5}\b", "]:PORT"),
    (r"session=<[^>]+>", "session=<S>"),
    (r"<\w+\.\w+\.\w+\.\w+@[\w.-]+>|<\d+\.\d+\.\d+@[\w.-]+>", "<APOP>"),
    (r"(?<=> )[A-Za-z0-9+/]{22}((?::R\d+)?)(?: Saved)", "SESSION$1 Saved"),
    (r"\(\d+\.\d{3} \+ \d+\.\d{3}(?: \+ \d+\.\d{3})? secs\)", "(N secs)"),
    (r"\[(COPYUID|APPENDUID) \d{10} ", "[$1 N "),
    (r"\bin=\d+ out=\d+", "in=N out=N"),
    (r"\b(top|retr)=(\d+)/\d+", "$1=$2/N"),
    (r"\b[0-9a-f]{16}$", "UIDL"),
    (r"^((?:S: )?\tid )[A-Za-z0-9+/]{22}$", "${1}SESSION"),
    (r"\blmtp\(\d+\)", "lmtp(PID)"),
    (r"\bmpid=\d+", "mpid=N"),
    (r"(?<=\))<\d+><[^>]+>", "<PID><S>"),
    (r"\((\d{10})\)$", "(TIME)"),
    (r"^# OS: .*$", "# OS"),
    (r"^(  Folder: \S*MAILDIRNAME)\S*\t+ *(\d+)$", "$1\t$2"),
    (r"<dovecot-(sieve-)?\d{10}-\d+-(\d+)@", "<dovecot-${1}TIME-$2@"),
    (r#"(boundary="|^(?:S: |C: )?--)\d{1,7}/(?=[A-Za-z][\w.-]*\.)"#, "${1}PID/"),
    (r"\bdovecot-uidvalidity\.[0-9a-f]{8}\b", "dovecot-uidvalidity.HEX"),
    (r"^((?:S: )?X-IMAP(?:base)?: )\d{10} ", "${1}TIME "),
    (r"^((?:S: )?Message-ID: <)\d{10}@", "${1}TIME@"),
    (r"(?<= in )\d+(?= secs)", "N"),
    (r"^S: \+ [A-Za-z0-9+/]{30,}={0,2}$", "S: + CHALLENGE"),
    (r"(?<= finished )\d+\.\d{3}(?= secs ago)", "N"),
    (r"(?<=,)<[A-Za-z0-9+/]{12,32}>(?=\): )", "<S>"),
    (r"\bauth-worker\(\d+\)", "auth-worker(PID)"),
    (r"\bauth-worker<\d+>", "auth-worker<N>"),
    (r"^procmail: \[\d+\] DATE\n", ""),
    (
        r"^.*(?:dict_nis_init|postfix/postfix-script\[\d+\]: warning|Debian snakeoil|warning: file system clock is \d+ seconds).*\n",
        "",
    ),
];

/// Queue ids, short and long.
const IDS: [&str; 2] = [r"(?<!SIZE )\b[0-9A-F]{7,12}\b", r"\b4[0-9A-Za-z]{9,14}z[0-9A-Za-z]{1,6}\b"];

/// Sizes move with the length of a queue id.
const SIZES: &[(&str, &str)] = &[
    (r"^([-dlbcps][-rwxsStT]{9}[.+]? +\d+ \S+ +\S+) +\d+ DATE", "$1 N DATE"),
    (r"^total \d+$", "total N"),
    (r"^(QUEUEID\d+[*!]?) +\d+ DATE", "$1 N DATE"),
    (r"  +(?=\d+ Kbytes in)", " "),
];

const SIZES_WITH_IDS: &[(&str, &str)] = &[
    (r"^(  Folder: .*?)\s+\d+$", "$1 N"),
    (r"\b\d+(?= octets\b)", "N"),
    (r"^(S: (?:\+OK )?\d+) \d+$", "$1 N"),
    (r"(?<=RFC822\.SIZE )\d+", "N"),
    (r"\{\d+\}$", "{N}"),
];

const LAST: &[(&str, &str)] =
    &[(r"(QUEUEID\d+)\.\d{10}/", "$1.STAMP/"), (r"\bQUEUEID\d+(?=\.STAMP)", "QUEUEID")];

/// The rules, ready to be used.
struct Masks {
    rules: Vec<(Regex, &'static str)>,
    ids: Vec<Regex>,
    sizes: Vec<(Regex, &'static str)>,
    sizes_with_ids: Vec<(Regex, &'static str)>,
    last: Vec<(Regex, &'static str)>,
    log_line: Regex,
}

static MASKS: LazyLock<Masks> = LazyLock::new(|| Masks {
    rules: compiled(RULES),
    ids: IDS.into_iter().map(regex).collect(),
    sizes: compiled(SIZES),
    sizes_with_ids: compiled(SIZES_WITH_IDS),
    last: compiled(LAST),
    log_line: regex(r"^DATE \S+ ([\w/.-]+)(?:\[PID\])?:"),
});

/// A transcript without what differs from run to run.
pub fn mask(text: &str) -> String {
    let mut text = apply(text.to_owned(), &MASKS.rules);
    let mut ids: Vec<String> = Vec::new();
    for pattern in &MASKS.ids {
        let replaced = pattern.replace_all(&text, |c: &Captures<'_, str>| {
            let id = c[0].to_owned();
            let n = ids.iter().position(|i| *i == id).unwrap_or_else(|| {
                ids.push(id);
                ids.len() - 1
            });
            format!("QUEUEID{}", n + 1)
        });
        text = replaced.into_owned();
    }
    text = apply(text, &MASKS.sizes);
    if text.contains("QUEUEID") {
        text = apply(text, &MASKS.sizes_with_ids);
    }
    order_log(&apply(text, &MASKS.last))
}

fn compiled(rules: &[(&str, &'static str)]) -> Vec<(Regex, &'static str)> {
    rules.iter().map(|(pattern, to)| (regex(pattern), *to)).collect()
}

fn regex(pattern: &str) -> Regex {
    let pattern = pattern.replace("MONTH", MONTH).replace("DAY", DAY);
    Regex::new(&format!("(?m){pattern}")).unwrap_or_else(|e| panic!("{pattern}: {e}"))
}

fn apply(mut text: String, rules: &[(Regex, &str)]) -> String {
    for (pattern, to) in rules {
        text = pattern.replace_all(&text, *to).into_owned();
    }
    text
}

/// Processes run side by side, so only the order within one counts: each log is sorted by service.
fn order_log(text: &str) -> String {
    let (mut out, mut block): (Vec<String>, Vec<(String, String)>) = Default::default();
    let flush = |block: &mut Vec<(String, String)>, out: &mut Vec<String>| {
        block.sort_by(|a, b| a.0.cmp(&b.0));
        out.extend(block.drain(..).map(|(_, line)| line));
    };
    for line in lines(text) {
        match MASKS.log_line.captures(line).ok().flatten() {
            Some(c) => block.push((c[1].to_owned(), line.to_owned())),
            None => {
                flush(&mut block, &mut out);
                out.push(line.to_owned());
            }
        }
    }
    flush(&mut block, &mut out);
    out.join("\n") + "\n"
}

/// The lines of a text as Python counts them: a form feed, too, ends one.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    const ENDS: [char; 10] =
        ['\n', '\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(ENDS).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        let width =
            if after.starts_with("\r\n") { 2 } else { after.chars().next().map_or(0, char::len_utf8) };
        rest = &after[width..];
        Some(line)
    })
}

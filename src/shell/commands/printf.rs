//! printf(1) and echo(1), the programs; the shell has its own.

use super::conversion::Conversion;
use super::tool::{Tool, quoted};
use crate::world::clock::Time;
use crate::world::process::Process;
use std::rc::Rc;

/// printf(1)
pub async fn printf(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let mut args = tool.p.args();
    if args.first().is_some_and(|a| &**a == "--") {
        args.remove(0);
    }
    let Some(format) = args.first().cloned() else { return tool.usage("missing operand", 1).await };
    let made = formatted(Style::Gnu, &format, &args[1..], tool.p.now());
    // The C program writes at its end, behind what it says on standard error.
    for text in made.complaints {
        tool.complain(text).await;
    }
    tool.put(made.out).await;
    if let Some(text) = made.failure {
        tool.complain(text).await;
        return 1;
    }
    if let Some(extra) = made.extra {
        tool.warn(format!("warning: ignoring excess arguments, starting with {}", quoted(&extra))).await;
    }
    tool.done().await
}

/// Whose printf it is; they word their complaints differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// The program.
    Gnu,
    /// Bash's own.
    Bash,
    /// dash's own.
    Dash,
}

/// What a format and its arguments came to.
#[derive(Default)]
pub struct Formatted {
    /// What is printed.
    pub out: Vec<u8>,
    /// What is wrong with arguments.
    pub complaints: Vec<String>,
    /// What is wrong with the format; nothing behind it was printed.
    pub failure: Option<String>,
    /// The first argument that the format has no use for.
    pub extra: Option<Rc<str>>,
}

/// Puts arguments into a format, again and again until they are used up.
pub fn formatted(style: Style, format: &str, arguments: &[Rc<str>], now: Time) -> Formatted {
    let mut run =
        Run { style, now, arguments, at: 0, out: Vec::new(), complaints: Vec::new(), stopped: false };
    let mut failure = None;
    loop {
        let before = run.at;
        if let Err(text) = run.once(format.as_bytes()) {
            failure = Some(text);
            break;
        }
        if run.stopped || run.at >= arguments.len() || run.at == before {
            break;
        }
    }
    let extra = arguments.get(run.at).cloned().filter(|_| !run.stopped);
    Formatted { out: run.out, complaints: run.complaints, failure, extra }
}

struct Run<'a> {
    style: Style,
    now: Time,
    arguments: &'a [Rc<str>],
    at: usize,
    out: Vec<u8>,
    complaints: Vec<String>,
    /// `\c` was seen.
    stopped: bool,
}

impl Run<'_> {
    fn next(&mut self) -> Option<Rc<str>> {
        let argument = self.arguments.get(self.at).cloned();
        self.at += usize::from(argument.is_some());
        argument
    }

    /// Goes through the format once.
    fn once(&mut self, format: &[u8]) -> Result<(), String> {
        let mut at = 0;
        while at < format.len() && !self.stopped {
            match format[at] {
                b'\\' => {
                    let (bytes, used, stop) = escape(&format[at..], false);
                    self.out.extend_from_slice(&bytes);
                    self.stopped = stop;
                    at += used;
                }
                b'%' if format.get(at + 1) == Some(&b'%') => {
                    self.out.push(b'%');
                    at += 2;
                }
                b'%' if format.get(at + 1) == Some(&b'(') && self.style == Style::Bash => {
                    at += self.time(&format[at..])?;
                }
                b'%' => at += 1 + self.convert(&format[at + 1..])?,
                b => {
                    self.out.push(b);
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// `%(format)T`: a time, in seconds since 1970; -1 and no argument mean now.
    fn time(&mut self, text: &[u8]) -> Result<usize, String> {
        let end = text.windows(2).position(|w| w == b")T");
        let end = end.ok_or_else(|| "`(': invalid format character".to_owned())?;
        let format = String::from_utf8_lossy(&text[2..end]).into_owned();
        let time = match self.arguments.get(self.at) {
            Some(_) => u64::try_from(self.integer()).map_or(self.now, Time::from_unix),
            None => self.now,
        };
        self.out.extend_from_slice(super::date::format(time, &format).as_bytes());
        Ok(end + 2)
    }

    fn convert(&mut self, text: &[u8]) -> Result<usize, String> {
        let style = self.style;
        let wrong = |used: usize| {
            let letter = text.get(used.wrapping_sub(1)).map_or('%', |b| char::from(*b));
            match style {
                Style::Bash => return format!("`{letter}': invalid format character"),
                Style::Dash => return format!("%{letter}: invalid directive"),
                Style::Gnu => {}
            }
            let spec = String::from_utf8_lossy(&text[..used.min(text.len())]).into_owned();
            format!("%{spec}: invalid conversion specification")
        };
        let (mut c, used) = Conversion::parse(text).ok_or_else(|| wrong(text.len()))?;
        c.fill(|| {
            let argument = self.arguments.get(self.at).cloned();
            self.at += 1;
            argument.map_or(0, |a| a.parse().unwrap_or(0))
        });
        self.at = self.at.min(self.arguments.len());
        let bytes = match c.letter {
            's' => c.text(self.next().unwrap_or_default().as_bytes()),
            'c' => {
                let argument = self.next().unwrap_or_default();
                c.text(&argument.as_bytes()[..argument.len().min(1)])
            }
            'b' => {
                let argument = self.next().unwrap_or_default();
                let (bytes, stop) = unescaped(argument.as_bytes());
                self.stopped = stop;
                c.text(&bytes)
            }
            'q' if style == Style::Bash => {
                c.text(crate::shell::quote::backslashes(&self.next().unwrap_or_default()).as_bytes())
            }
            'q' => c.text(super::tool::shown(&self.next().unwrap_or_default()).as_bytes()),
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => {
                let n = self.integer();
                c.integer(n)
            }
            'e' | 'f' | 'g' | 'E' | 'F' | 'G' => {
                let x = self.float();
                c.float(x)
            }
            _ => return Err(wrong(used)),
        };
        self.out.extend_from_slice(&bytes);
        Ok(used)
    }

    fn not_a_number(&mut self, text: &str, nothing: bool) {
        self.complaints.push(match self.style {
            Style::Bash => format!("{text}: invalid number"),
            Style::Dash if nothing => format!("{text}: expected numeric value"),
            Style::Dash => format!("{text}: not completely converted"),
            Style::Gnu if nothing => format!("{}: expected a numeric value", quoted(text)),
            Style::Gnu => format!("{}: value not completely converted", quoted(text)),
        });
    }

    fn integer(&mut self) -> i64 {
        let Some(text) = self.next() else { return 0 };
        if let Some(c) = text.strip_prefix(['"', '\'']) {
            return c.bytes().next().map_or(0, i64::from);
        }
        let trimmed = text.trim_start();
        let (negative, digits) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(hex) => (16, hex),
            None if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
            None => (10, digits),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        if end < digits.len() || digits.is_empty() {
            let nothing = end == 0 && radix == 10;
            self.not_a_number(&text, nothing);
        }
        let size = match u64::from_str_radix(&digits[..end], radix) {
            Ok(size) => size,
            Err(_) if end == 0 => 0,
            Err(_) => {
                self.complaints.push(format!("{}: Numerical result out of range", quoted(&text)));
                u64::MAX
            }
        };
        if negative { (size as i64).wrapping_neg() } else { size as i64 }
    }

    fn float(&mut self) -> f64 {
        let Some(text) = self.next() else { return 0.0 };
        if let Some(c) = text.strip_prefix(['"', '\'']) {
            return c.bytes().next().map_or(0.0, f64::from);
        }
        let trimmed = text.trim_start();
        let (x, used) = leading_number(trimmed);
        if used < trimmed.len() || trimmed.is_empty() {
            self.not_a_number(&text, used == 0);
        }
        x
    }
}

/// The decimal number a text begins with, and its length.
pub(super) fn leading_number(text: &str) -> (f64, usize) {
    let b = text.as_bytes();
    let digits = |mut at: usize| {
        while b.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let start = usize::from(matches!(b.first(), Some(b'+' | b'-')));
    let whole = digits(start);
    let mut end = whole;
    if b.get(whole) == Some(&b'.') {
        let after = digits(whole + 1);
        if after > whole + 1 || whole > start {
            end = after;
        }
    }
    if end == start {
        return (0.0, 0);
    }
    if matches!(b.get(end), Some(b'e' | b'E')) {
        let sign = end + 1 + usize::from(matches!(b.get(end + 1), Some(b'+' | b'-')));
        if digits(sign) > sign {
            end = digits(sign);
        }
    }
    (text[..end].parse().unwrap_or(0.0), end)
}

/// One escape at the start of a text: what it stands for, its length, whether output stops here.
/// In echo and `%b` an octal number has a zero in front.
fn escape(text: &[u8], leading_zero: bool) -> (Vec<u8>, usize, bool) {
    let number = |from: usize, most: usize, radix: u32| {
        let mut n = 0_u32;
        let mut at = from;
        while at < from + most
            && let Some(d) = text.get(at).and_then(|b| char::from(*b).to_digit(radix))
        {
            n = n * radix + d;
            at += 1;
        }
        (n, at)
    };
    let one = |b: u8| (vec![b], 2, false);
    match text.get(1) {
        Some(b'a') => one(7),
        Some(b'b') => one(8),
        Some(b'c') => (Vec::new(), 2, true),
        Some(b'e') => one(27),
        Some(b'f') => one(12),
        Some(b'n') => one(b'\n'),
        Some(b'r') => one(b'\r'),
        Some(b't') => one(b'\t'),
        Some(b'v') => one(11),
        Some(b'\\') => one(b'\\'),
        Some(b'"') if !leading_zero => one(b'"'),
        Some(b'0') if leading_zero => {
            let (n, end) = number(2, 3, 8);
            (vec![n as u8], end, false)
        }
        Some(b'0'..=b'7') => {
            let (n, end) = number(1, 3, 8);
            (vec![n as u8], end, false)
        }
        Some(b'x') => match number(2, 2, 16) {
            (_, 2) => (b"\\x".to_vec(), 2, false),
            (n, end) => (vec![n as u8], end, false),
        },
        Some(b'u' | b'U') => {
            let most = if text[1] == b'u' { 4 } else { 8 };
            let (n, end) = number(2, most, 16);
            match char::from_u32(n).filter(|c| c.is_ascii()) {
                Some(c) => (vec![c as u8], end, false),
                // The C locale has no other characters: they show as they are written.
                None if n > 0xffff => (format!("\\U{n:08X}").into_bytes(), end, false),
                None => (format!("\\u{n:04X}").into_bytes(), end, false),
            }
        }
        Some(b) => (vec![b'\\', *b], 2, false),
        None => (b"\\".to_vec(), 1, false),
    }
}

/// A text with its escapes replaced, as for `%b`; whether `\c` ended it.
pub(in crate::shell) fn unescaped(text: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let (bytes, used, stop) = escape(&text[at..], true);
        out.extend_from_slice(&bytes);
        if stop {
            return (out, true);
        }
        at += used;
    }
    (out, false)
}

/// As [`unescaped`], as text.
pub fn unescape(text: &str) -> String {
    String::from_utf8_lossy(&unescaped(text.as_bytes()).0).into_owned()
}

/// echo(1)
pub async fn echo(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let (mut newline, mut escapes) = (true, false);
    let options = args
        .iter()
        .take_while(|a| a.len() > 1 && a.starts_with('-') && a[1..].chars().all(|c| "neE".contains(c)));
    let mut first = 0;
    for option in options {
        first += 1;
        for c in option[1..].chars() {
            match c {
                'n' => newline = false,
                c => escapes = c == 'e',
            }
        }
    }
    let text = args[first..].join(" ");
    if escapes {
        let (bytes, stop) = unescaped(text.as_bytes());
        newline &= !stop;
        tool.put(bytes).await;
    } else {
        tool.put(text).await;
    }
    if newline {
        tool.put(b"\n").await;
    }
    tool.done().await
}

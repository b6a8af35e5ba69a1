//! The functions of the language.

use super::text as as_value;
use super::{Done, FS, LONGEST, Machine, Put, RLENGTH, RSTART, Stop, trouble};
use crate::shell::commands::awk::tree::Expr;
use crate::shell::commands::awk::value::{Slot, Value};
use crate::shell::commands::regex::Regex;
use std::collections::VecDeque;
use std::rc::Rc;

impl Machine<'_> {
    pub(super) fn arg(&mut self, args: &[Expr], n: usize) -> Done<Value> {
        args.get(n).map_or(Ok(Value::Nothing), |a| self.eval(a))
    }

    pub(super) fn arg_text(&mut self, args: &[Expr], n: usize) -> Done<Rc<[u8]>> {
        let value = self.arg(args, n)?;
        Ok(self.as_text(&value))
    }

    pub(super) fn builtin(&mut self, name: &str, args: &[Expr]) -> Done<Value> {
        let number = |x: f64| Ok(Value::Number(x));
        match name {
            "length" => match args.first() {
                None => number(self.record.len() as f64),
                Some(Expr::Var(place)) if matches!(self.slot(*place), Slot::Array(_)) => {
                    let array = self.array(*place)?;
                    let len = array.borrow().len();
                    number(len as f64)
                }
                Some(_) => number(self.arg_text(args, 0)?.len() as f64),
            },
            "substr" => {
                let text = self.arg_text(args, 0)?;
                let from = self.arg(args, 1)?.number().round();
                let to =
                    if args.len() > 2 { from + self.arg(args, 2)?.number().round() } else { f64::INFINITY };
                let (from, to) = (from.max(1.0), to.min(text.len() as f64 + 1.0));
                Ok(if to > from {
                    Value::Text(text[from as usize - 1..to as usize - 1].into())
                } else {
                    as_value(b"")
                })
            }
            "index" => {
                let (text, part) = (self.arg_text(args, 0)?, self.arg_text(args, 1)?);
                number(memchr::memmem::find(&text, &part).map_or(0.0, |at| at as f64 + 1.0))
            }
            "split" => self.split_into(args),
            "sub" | "gsub" => self.substitute(args, name == "gsub"),
            "match" => {
                let text = self.arg_text(args, 0)?;
                let Some(pattern) = args.get(1) else { return trouble("match needs two arguments") };
                let found = self.pattern(pattern)?.find_at(&text, 0);
                let (start, len) = found.map_or((0.0, -1.0), |(a, b)| (a as f64 + 1.0, (b - a) as f64));
                self.set(RSTART, start.into());
                self.set(RLENGTH, len.into());
                number(start)
            }
            "sprintf" => Ok(Value::Text(self.format(args)?.into())),
            "tolower" => Ok(Value::Text(self.arg_text(args, 0)?.to_ascii_lowercase().into())),
            "toupper" => Ok(Value::Text(self.arg_text(args, 0)?.to_ascii_uppercase().into())),
            "int" => number(self.arg(args, 0)?.number().trunc()),
            "sqrt" => number(self.arg(args, 0)?.number().sqrt()),
            "exp" => number(self.arg(args, 0)?.number().exp()),
            "log" => number(self.arg(args, 0)?.number().ln()),
            "sin" => number(self.arg(args, 0)?.number().sin()),
            "cos" => number(self.arg(args, 0)?.number().cos()),
            "atan2" => number(self.arg(args, 0)?.number().atan2(self.arg(args, 1)?.number())),
            "rand" => number(self.p.host().random(1 << 53) as f64 / (1_u64 << 53) as f64),
            "srand" => {
                let old = self.seed;
                self.seed = match args.first() {
                    Some(_) => self.arg(args, 0)?.number() as u64,
                    None => self.p.now().unix(),
                };
                number(old as f64)
            }
            "systime" => number(self.p.now().unix() as f64),
            "strftime" => {
                let format = if args.is_empty() { Rc::from(&b"%c"[..]) } else { self.arg_text(args, 0)? };
                let seconds = if args.len() > 1 {
                    self.arg(args, 1)?.number().clamp(0.0, 8e9) as u64
                } else {
                    self.p.now().unix()
                };
                let time = crate::world::clock::Time::from_unix(seconds);
                let shown = crate::shell::commands::date::format(time, &String::from_utf8_lossy(&format));
                Ok(as_value(shown.as_bytes()))
            }
            "close" => {
                let name = String::from_utf8_lossy(&self.arg_text(args, 0)?).into_owned();
                if let Some(input) = self.commands.shift_remove(&name) {
                    self.out.push(Put::Command(name, input));
                    return number(0.0);
                }
                let open = self.files.remove(&name).is_some() | self.readers.remove(&name).is_some();
                number(if open { 0.0 } else { -1.0 })
            }
            "fflush" => number(0.0),
            other => trouble(format!("maillab: {other}() is not available in the lab")),
        }
    }

    pub(super) fn split_into(&mut self, args: &[Expr]) -> Done<Value> {
        let text = self.arg_text(args, 0)?;
        let Some(Expr::Var(place)) = args.get(1) else { return trouble("split needs an array") };
        let pieces: Vec<Rc<[u8]>> = match args.get(2) {
            Some(Expr::Regex(regex)) => {
                let parts = if text.is_empty() { Vec::new() } else { cut(regex, &text) };
                parts.into_iter().map(Rc::from).collect()
            }
            other => {
                let separator = match other {
                    None => self.special(FS).text(b""),
                    Some(expr) => {
                        let value = self.eval(expr)?;
                        self.as_text(&value)
                    }
                };
                self.pieces(&text, &separator, false)?.into_iter().map(Rc::from).collect()
            }
        };
        let array = self.array(*place)?;
        let mut array = array.borrow_mut();
        array.clear();
        let count = pieces.len();
        for (n, piece) in pieces.into_iter().enumerate() {
            array.insert((n + 1).to_string().into_bytes().into(), Value::Input(piece));
        }
        Ok(Value::Number(count as f64))
    }

    pub(super) fn substitute(&mut self, args: &[Expr], all: bool) -> Done<Value> {
        let Some(pattern) = args.first() else { return trouble("sub needs two arguments") };
        let regex = self.pattern(pattern)?;
        let replacement = self.arg_text(args, 1)?;
        let record = Expr::Field(Box::new(Expr::Number(0.0)));
        let target = args.get(2).unwrap_or(&record);
        let value = self.eval(target)?;
        let text = self.as_text(&value);
        let mut new = Vec::new();
        let (mut at, mut count, mut last_end) = (0, 0, None);
        while at <= text.len() {
            let Some((start, end)) = regex.find_at(&text, at) else { break };
            new.extend_from_slice(&text[at..start]);
            if !(start == end && last_end == Some(start)) {
                count += 1;
                expand(&replacement, &text[start..end], &mut new);
            }
            last_end = Some(end);
            at = end;
            if start == end {
                new.extend(text.get(at));
                at += 1;
            }
            if new.len() > LONGEST {
                return trouble("out of memory");
            }
            if !all {
                break;
            }
        }
        new.extend_from_slice(text.get(at..).unwrap_or_default());
        if count > 0 {
            self.assign_to(target, Value::Text(new.into()))?;
        }
        Ok(Value::Number(f64::from(count)))
    }

    pub(super) fn format(&mut self, args: &[Expr]) -> Done<Vec<u8>> {
        let format = self.arg_text(args, 0)?;
        let mut values = VecDeque::new();
        for arg in args.iter().skip(1) {
            values.push_back(self.eval(arg)?);
        }
        crate::shell::commands::awk::format::format(&format, values, &self.convfmt()).map_err(Stop::Trouble)
    }
}

/// A text cut at every match that is not empty.
pub(super) fn cut<'t>(regex: &Regex, text: &'t [u8]) -> Vec<&'t [u8]> {
    let mut parts = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at <= text.len() {
        let Some((start, end)) = regex.find_at(text, at) else { break };
        if start == end {
            at = end + 1;
            continue;
        }
        parts.push(&text[from..start]);
        (from, at) = (end, end);
    }
    parts.push(&text[from..]);
    parts
}

fn expand(replacement: &[u8], found: &[u8], out: &mut Vec<u8>) {
    let mut rest = replacement.iter();
    while let Some(b) = rest.next() {
        match (b, rest.as_slice().first()) {
            (b'\\', Some(c @ (b'&' | b'\\'))) => {
                out.push(*c);
                rest.next();
            }
            (b'&', _) => out.extend_from_slice(found),
            (b, _) => out.push(*b),
        }
    }
}

//! uniq(1): equal lines that follow one another.

use super::options::{NONE, Options};
use super::text::Input;
use super::tool::{Tool, quoted, shown};
use crate::world::process::Process;

const OPTIONS: Options = Options {
    usage: "[OPTION]... [INPUT [OUTPUT]]",
    short: "cdDf:is:uw:z",
    long: &[
        ("count", 'c'),
        ("repeated", 'd'),
        ("all-repeated", 'D'),
        ("skip-fields=", 'f'),
        ("ignore-case", 'i'),
        ("skip-chars=", 's'),
        ("unique", 'u'),
        ("check-chars=", 'w'),
        ("zero-terminated", 'z'),
    ],
    ..NONE
};

struct Wish {
    count: bool,
    repeated: bool,
    all: bool,
    unique: bool,
    end: u8,
    out: Vec<u8>,
}

pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if let Some(extra) = parsed.operands.get(2) {
        return tool.usage(format!("extra operand {}", quoted(extra)), 1).await;
    }
    let mut numbers = [0, 0, usize::MAX];
    for (n, (option, what)) in
        [('f', "fields to skip"), ('s', "bytes to skip"), ('w', "bytes to compare")].into_iter().enumerate()
    {
        let Some(text) = parsed.value(option) else { continue };
        match text.parse() {
            Ok(number) => numbers[n] = number,
            Err(_) => {
                tool.complain(format!("{text}: invalid number of {what}")).await;
                return 1;
            }
        }
    }
    let [fields, octets, most] = numbers;
    let fold = parsed.has('i');
    let end = if parsed.has('z') { 0 } else { b'\n' };
    let mut wish = Wish {
        count: parsed.has('c'),
        repeated: parsed.has('d'),
        all: parsed.has('D'),
        unique: parsed.has('u'),
        end,
        out: Vec::new(),
    };
    let name = parsed.operands.first().cloned().unwrap_or_else(|| "-".into());
    let mut input = match Input::open(&tool.p, &name) {
        Ok(input) => input,
        Err(e) => {
            tool.complain(format!("{}: {e}", shown(&name))).await;
            return 1;
        }
    };
    let key = |line: &[u8]| -> Vec<u8> {
        let mut at = 0;
        for _ in 0..fields {
            at += line[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            at += line[at..].iter().take_while(|b| !matches!(b, b' ' | b'\t')).count();
        }
        let from = (at.saturating_add(octets)).min(line.len());
        let part = &line[from..];
        let part = &part[..part.len().min(most)];
        if fold { part.to_ascii_lowercase() } else { part.to_vec() }
    };
    let to = parsed.operands.get(1).cloned();
    let mut group: Vec<Vec<u8>> = Vec::new();
    let (mut n, mut last_key) = (0_u64, None);
    loop {
        let line = match input.until(end).await {
            Ok(line) => line,
            Err(e) => {
                tool.complain(format!("error reading {}: {e}", quoted(&name))).await;
                break;
            }
        };
        let body = line.as_ref().map(|l| l.strip_suffix(&[end]).unwrap_or(l));
        let this = body.map(key);
        if this.is_none() || this != last_key {
            wish.show(&group, n);
            group.clear();
            n = 0;
            if to.is_none() {
                let out = std::mem::take(&mut wish.out);
                tool.put(out).await;
            }
        }
        let Some(body) = body else { break };
        if group.is_empty() || wish.all {
            group.push(body.to_vec());
        }
        n += 1;
        last_key = this;
    }
    if let Some(to) = to
        && let Err(e) = tool.p.write_file(&to, wish.out, 0o666)
    {
        tool.complain(format!("{}: {e}", shown(&to))).await;
    }
    tool.done().await
}

impl Wish {
    fn show(&mut self, group: &[Vec<u8>], n: u64) {
        let wanted = match n {
            0 => false,
            1 => !self.repeated && !self.all,
            _ => !self.unique,
        };
        if !wanted {
            return;
        }
        for line in group {
            if self.count {
                self.out.extend_from_slice(format!("{n:7} ").as_bytes());
            }
            self.out.extend_from_slice(line);
            self.out.push(self.end);
        }
    }
}

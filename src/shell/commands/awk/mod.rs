//! awk(1), as mawk behaves.
//!
//! - [`lex`], [`parse`], [`tree`]: the language; [`value`], [`mod@format`]: values and how they are written
//! - [`run`]: a program at work
//!
//! # Simplifications
//! `system()` and `command | getline` are not there. A command that is printed to runs when it
//! is closed, or at the end. `for (k in a)` goes in the order in which the keys came in. A
//! program that takes records by `getline` reads all of its input first.

pub mod format;
pub mod lex;
pub mod parse;
pub mod run;
pub mod tree;
pub mod value;

use super::options::{NONE, Options};
use super::text::{Input, whole};
use super::tool::Tool;
use crate::world::exec::Start;
use crate::world::process::Process;
use bytes::Bytes;
use run::{FILENAME, FNR, FS, Machine, NR, Put, RS, Stop};
use std::rc::Rc;
use value::Value;

const OPTIONS: Options = Options {
    usage: "[Options] [Program] [file ...]",
    short: "F:f:v:",
    absent: "eEW",
    trouble: 2,
    in_order: true,
    ..NONE
};

/// awk(1)
pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match OPTIONS.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let mut operands = parsed.operands.clone();
    let mut text = Vec::new();
    for (_, name) in parsed.given.iter().filter(|(o, _)| *o == 'f') {
        let name = name.clone().unwrap_or_default();
        match whole(&tool.p, &name).await {
            Ok(content) => {
                text.extend_from_slice(&content);
                text.push(b'\n');
            }
            Err(_) => {
                tool.warn(format!("cannot open {name}")).await;
                return 2;
            }
        }
    }
    if parsed.value('f').is_none() {
        if operands.is_empty() {
            tool.p.eprint(format!("Usage: {} {}\n", tool.name, OPTIONS.usage)).await;
            return 2;
        }
        text = operands.remove(0).as_bytes().to_vec();
    }
    let program = match parse::parse(&text) {
        Ok(program) => program,
        Err(text) => {
            tool.warn(text).await;
            return 2;
        }
    };
    let mut machine = Machine::new(&tool.p, &program);
    for (option, value) in &parsed.given {
        match (option, value) {
            ('F', Some(separator)) => {
                let separator =
                    if &**separator == "t" { b"\t".to_vec() } else { lex::unescape(separator.as_bytes()) };
                machine.set(FS, Value::Text(separator.into()));
            }
            ('v', Some(assignment)) => match assignment.split_once('=').filter(|(name, _)| is_name(name)) {
                Some((name, value)) => machine.assign(name, &lex::unescape(value.as_bytes())),
                None => {
                    tool.warn(format!("improper assignment: -v {assignment}")).await;
                    return 2;
                }
            },
            _ => {}
        }
    }
    let outcome = go(&mut tool, &mut machine, operands).await;
    machine.finish();
    drain(&mut tool, &mut machine).await;
    if let Err(text) = outcome {
        tool.warn(text).await;
        return 2;
    }
    tool.status = if machine.status != 0 { machine.status } else { tool.status };
    tool.done().await
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Runs all parts of a program; an error is a message.
async fn go(tool: &mut Tool, machine: &mut Machine<'_>, operands: Vec<Rc<str>>) -> Result<(), String> {
    let program = machine.program;
    for block in &program.begin {
        match machine.run(block) {
            Ok(()) => {}
            Err(Stop::Exit) => return end(machine),
            Err(stop) => said(stop)?,
        }
        drain(tool, machine).await;
    }
    if program.rules.is_empty() && program.end.is_empty() {
        return Ok(());
    }
    if main_loop(tool, machine, operands).await? {
        return end(machine);
    }
    end(machine)
}

fn end(machine: &mut Machine<'_>) -> Result<(), String> {
    for block in &machine.program.end {
        match machine.run(block) {
            Ok(()) => {}
            Err(Stop::Exit) => return Ok(()),
            Err(stop) => said(stop)?,
        }
    }
    Ok(())
}

fn said(stop: Stop) -> Result<(), String> {
    match stop {
        Stop::Trouble(text) => Err(text),
        _ => Ok(()),
    }
}

/// Goes over the records of all files; tells whether `exit` ended it.
async fn main_loop(
    tool: &mut Tool,
    machine: &mut Machine<'_>,
    operands: Vec<Rc<str>>,
) -> Result<bool, String> {
    let takes_records = machine.program.takes_records;
    let mut any_file = false;
    let mut queue: std::collections::VecDeque<Rc<str>> = operands.into();
    loop {
        let name = match queue.pop_front() {
            Some(name) => name,
            None if any_file => return Ok(false),
            None => "-".into(),
        };
        if let Some((variable, value)) = name.split_once('=').filter(|(v, _)| is_name(v)) {
            machine.assign(variable, &lex::unescape(value.as_bytes()));
            continue;
        }
        any_file = true;
        let mut input = match Input::open(&tool.p, &name) {
            Ok(input) => input,
            Err(e) => {
                tool.warn(format!("cannot open {name} ({e})")).await;
                tool.status = 2;
                continue;
            }
        };
        machine
            .set(FILENAME, Value::Text(if &*name == "-" { b""[..].into() } else { name.as_bytes().into() }));
        machine.set(FNR, Value::Number(0.0));
        if takes_records {
            while let Some(record) = record(&mut input, machine).await {
                machine.waiting.push_back(record);
            }
        }
        loop {
            let next =
                if takes_records { machine.waiting.pop_front() } else { record(&mut input, machine).await };
            let Some(record) = next else { break };
            machine.take(&record);
            let done = machine.rules();
            drain(tool, machine).await;
            match done {
                Ok(()) | Err(Stop::Next) => {}
                Err(Stop::NextFile) => {
                    machine.waiting.clear();
                    break;
                }
                Err(Stop::Exit) => return Ok(true),
                Err(Stop::Trouble(text)) => {
                    let at = machine.special(NR).number();
                    return Err(format!("{text}\n\tFNR={} NR={at}", machine.special(FNR).number()));
                }
                Err(_) => {}
            }
        }
    }
}

/// The next record, by RS: a line, a paragraph, or what another octet ends.
async fn record(input: &mut Input, machine: &Machine<'_>) -> Option<Bytes> {
    let separator = machine.special(RS).text(b"");
    if separator.is_empty() {
        let mut paragraph = Vec::new();
        while let Ok(Some(line)) = input.line().await {
            if super::text::chomp(&line).is_empty() {
                if paragraph.is_empty() {
                    continue;
                }
                break;
            }
            paragraph.extend_from_slice(&line);
        }
        if paragraph.last() == Some(&b'\n') {
            paragraph.pop();
        }
        return (!paragraph.is_empty()).then(|| paragraph.into());
    }
    let end = separator[0];
    let line = input.until(end).await.ok().flatten()?;
    let len = line.len() - usize::from(line.last() == Some(&end));
    let mut record = line.slice(..len);
    // The newline at the end of a file is no record of its own.
    if end != b'\n' && len == line.len() && record.last() == Some(&b'\n') {
        record = record.slice(..len - 1);
        if record.is_empty() {
            return None;
        }
    }
    Some(record)
}

/// Writes what the program has printed, and runs the commands it has closed.
async fn drain(tool: &mut Tool, machine: &mut Machine<'_>) {
    for put in std::mem::take(&mut machine.out) {
        match put {
            Put::Text(text) => tool.put(text).await,
            Put::Command(command, text) if command.is_empty() => {
                tool.flush().await;
                tool.p.eprint(text).await;
            }
            Put::Command(command, text) => {
                tool.flush().await;
                let (reader, writer) = tool.p.pipe();
                let mut fds = tool.p.fds();
                fds.insert(0, reader);
                let start = Start { fds: Some(fds), ..Start::new(["sh", "-c", &command]) };
                match tool.p.spawn("/bin/sh", start) {
                    Ok(child) => {
                        let _ = writer.write(text).await;
                        drop(writer);
                        child.wait().await;
                    }
                    Err(e) => tool.warn(format!("cannot run \"{command}\" ({e})")).await,
                }
            }
        }
    }
}

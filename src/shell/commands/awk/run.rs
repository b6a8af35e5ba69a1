//! awk at work: records, statements, output.
//!
//! - [`eval`]: expressions and variables; [`builtin`]: the functions of the language

mod builtin;
mod eval;

use super::parse::{DIALECT, SPECIAL};
use super::tree::{Expr, Pattern, Program, Stmt, Target};
use super::value::{Slot, Value};
use crate::shell::commands::regex::Regex;
use crate::world::fs::OpenFlags;
use crate::world::open::Open;
use crate::world::process::Process;
use bytes::Bytes;
use indexmap::IndexMap;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

pub const NF: usize = 0;
pub const NR: usize = 1;
pub const FNR: usize = 2;
pub const FS: usize = 3;
const OFS: usize = 4;
const ORS: usize = 5;
pub const RS: usize = 6;
pub const FILENAME: usize = 7;
const SUBSEP: usize = 8;
const RSTART: usize = 9;
const RLENGTH: usize = 10;
const CONVFMT: usize = 11;
const OFMT: usize = 12;
const ENVIRON: usize = 13;
/// How deep functions may call each other.
const CALLS: usize = 60;
/// How many statements a program may take for one record; then it goes in a circle.
const STEPS: u64 = 10_000_000;
/// The longest text, in octets.
const LONGEST: usize = 64 << 20;
/// How many fields a record may be given by `$n = …`.
const FIELDS: f64 = 1_000_000.0;

/// Why a statement did not run to its end.
pub enum Stop {
    Break,
    Continue,
    Next,
    NextFile,
    Exit,
    Return(Value),
    Trouble(String),
}

/// What is to be put out, in order.
pub enum Put {
    Text(Vec<u8>),
    /// A shell command with its input; it runs when the program closes it, or at the end.
    Command(String, Vec<u8>),
}

type Done<T> = Result<T, Stop>;

pub struct Machine<'a> {
    pub program: &'a Program,
    p: Process,
    globals: Vec<Slot>,
    frames: Vec<Vec<Slot>>,
    record: Rc<[u8]>,
    fields: Vec<Value>,
    /// Have the fields been cut out of the record?
    split: bool,
    ranges: Vec<bool>,
    pub out: Vec<Put>,
    commands: IndexMap<String, Vec<u8>>,
    files: BTreeMap<String, Rc<Open>>,
    readers: BTreeMap<String, VecDeque<Bytes>>,
    /// Records that plain `getline` may take.
    pub waiting: VecDeque<Bytes>,
    regexes: BTreeMap<Vec<u8>, Rc<Regex>>,
    pub status: i32,
    steps: u64,
    seed: u64,
}

fn text(bytes: &[u8]) -> Value {
    Value::Text(bytes.into())
}

fn trouble<T>(message: impl Into<String>) -> Done<T> {
    Err(Stop::Trouble(message.into()))
}

impl<'a> Machine<'a> {
    pub fn new(p: &Process, program: &'a Program) -> Machine<'a> {
        let mut globals = vec![Slot::default(); program.globals.len()];
        for (n, value) in [
            (FS, " "),
            (OFS, " "),
            (ORS, "\n"),
            (RS, "\n"),
            (SUBSEP, "\u{1c}"),
            (CONVFMT, "%.6g"),
            (OFMT, "%.6g"),
        ] {
            globals[n] = Slot::Value(text(value.as_bytes()));
        }
        for n in [NR, FNR, NF, RSTART] {
            globals[n] = Slot::Value(Value::Number(0.0));
        }
        globals[RLENGTH] = Slot::Value(Value::Number(-1.0));
        let environ: IndexMap<Rc<[u8]>, Value> =
            p.env().iter().map(|(k, v)| (k.as_bytes().into(), Value::Input(v.as_bytes().into()))).collect();
        globals[ENVIRON] = Slot::Array(Rc::new(environ.into()));
        debug_assert_eq!(SPECIAL[ENVIRON], "ENVIRON");
        Machine {
            program,
            p: p.clone(),
            globals,
            frames: Vec::new(),
            record: Rc::from(&b""[..]),
            fields: Vec::new(),
            split: true,
            ranges: vec![false; program.ranges],
            out: Vec::new(),
            commands: IndexMap::new(),
            files: BTreeMap::new(),
            readers: BTreeMap::new(),
            waiting: VecDeque::new(),
            regexes: BTreeMap::new(),
            status: 0,
            steps: 0,
            seed: 1,
        }
    }

    /// Sets a variable from the command line.
    pub fn assign(&mut self, name: &str, value: &[u8]) {
        if let Some(n) = self.program.globals.iter().position(|g| g == name) {
            self.globals[n] = Slot::Value(Value::Input(value.into()));
        }
    }

    pub fn set(&mut self, n: usize, value: Value) {
        self.globals[n] = Slot::Value(value);
    }

    pub fn special(&self, n: usize) -> Value {
        match &self.globals[n] {
            Slot::Value(v) => v.clone(),
            Slot::Array(_) => Value::Nothing,
        }
    }

    fn convfmt(&self) -> Rc<[u8]> {
        self.special(CONVFMT).text(b"%.6g")
    }

    fn as_text(&self, value: &Value) -> Rc<[u8]> {
        match value {
            Value::Number(n) if n.fract() != 0.0 => value.text(&self.convfmt()),
            value => value.text(b""),
        }
    }

    /// Makes this the current record.
    pub fn take(&mut self, record: &[u8]) {
        self.record = record.into();
        self.split = false;
        for n in [NR, FNR] {
            let value = self.special(n).number() + 1.0;
            self.set(n, value.into());
        }
    }

    fn split_record(&mut self) -> Done<()> {
        if self.split {
            return Ok(());
        }
        let separator = self.special(FS).text(b"");
        let record = self.record.clone();
        let mut fields: Vec<Value> = Vec::new();
        let paragraph = self.special(RS).text(b"").is_empty();
        for part in self.pieces(&record, &separator, paragraph)? {
            fields.push(Value::Input(part.into()));
        }
        self.set(NF, Value::Number(fields.len() as f64));
        self.fields = fields;
        self.split = true;
        Ok(())
    }

    /// A text cut at a separator, as FS works.
    fn pieces<'t>(&mut self, text: &'t [u8], separator: &[u8], newline_too: bool) -> Done<Vec<&'t [u8]>> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        if separator == b" " {
            return Ok(text.split(|b| matches!(b, b' ' | b'\t' | b'\n')).filter(|p| !p.is_empty()).collect());
        }
        if separator.is_empty() {
            return Ok(text.chunks(1).collect());
        }
        if let ([one], false) = (separator, newline_too)
            && *one != b'\\'
        {
            return Ok(text.split(|b| b == one).collect());
        }
        let literal = separator.len() == 1 && separator != b"\\";
        let mut pattern = if literal { [b"[", separator, b"]"].concat() } else { separator.to_vec() };
        if newline_too {
            pattern.extend_from_slice(b"|\n");
        }
        let regex = self.regex(&pattern)?;
        Ok(builtin::cut(&regex, text))
    }

    fn regex(&mut self, pattern: &[u8]) -> Done<Rc<Regex>> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(regex.clone());
        }
        match Regex::new(pattern, DIALECT) {
            Ok(regex) => {
                let regex = Rc::new(regex);
                if self.regexes.len() > 500 {
                    self.regexes.clear();
                }
                self.regexes.insert(pattern.to_vec(), regex.clone());
                Ok(regex)
            }
            Err(e) => trouble(format!("regular expression compile failed ({e})")),
        }
    }

    fn pattern(&mut self, expr: &Expr) -> Done<Rc<Regex>> {
        match expr {
            Expr::Regex(regex) => Ok(regex.clone()),
            Expr::Group(inner) => self.pattern(inner),
            other => {
                let value = self.eval(other)?;
                let text = self.as_text(&value);
                self.regex(&text)
            }
        }
    }

    /// Runs the rules on the current record.
    pub fn rules(&mut self) -> Done<()> {
        self.steps = 0;
        let program = self.program;
        for (pattern, action) in &program.rules {
            let fits = match pattern {
                Pattern::Always => true,
                Pattern::Is(expr) => self.eval(expr)?.truth(),
                Pattern::Range(first, last, n) => {
                    let inside = self.ranges[*n] || self.eval(first)?.truth();
                    if inside {
                        self.ranges[*n] = !self.eval(last)?.truth();
                    }
                    inside
                }
            };
            if !fits {
                continue;
            }
            match action {
                Some(action) => self.run(action)?,
                None => {
                    let record = self.whole()?;
                    let end = self.special(ORS).text(b"");
                    self.put(&record);
                    self.put(&end);
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        match self.out.last_mut() {
            Some(Put::Text(text)) => text.extend_from_slice(bytes),
            _ => self.out.push(Put::Text(bytes.to_vec())),
        }
    }

    pub fn run(&mut self, statement: &Stmt) -> Done<()> {
        self.steps += 1;
        if self.steps > STEPS {
            return trouble("maillab: the program goes in a circle");
        }
        match statement {
            Stmt::Block(all) => all.iter().try_for_each(|s| self.run(s)),
            Stmt::Expr(expr) => self.eval(expr).map(|_| ()),
            Stmt::Print(args, target) => {
                let mut line = Vec::new();
                if args.is_empty() {
                    line.extend_from_slice(&self.whole()?);
                }
                let (format, between) = (self.special(OFMT).text(b""), self.special(OFS).text(b""));
                for (n, arg) in args.iter().enumerate() {
                    if n > 0 {
                        line.extend_from_slice(&between);
                    }
                    let value = self.eval(arg)?;
                    line.extend_from_slice(&value.text(&format));
                }
                line.extend_from_slice(&self.special(ORS).text(b""));
                self.write(target, &line)
            }
            Stmt::Printf(args, target) => {
                let line = self.format(args)?;
                self.write(target, &line)
            }
            Stmt::If(condition, then, other) => {
                if self.eval(condition)?.truth() {
                    self.run(then)
                } else {
                    other.as_ref().map_or(Ok(()), |other| self.run(other))
                }
            }
            Stmt::While(condition, body) => {
                while self.eval(condition)?.truth() {
                    if !self.turn(body)? {
                        break;
                    }
                }
                Ok(())
            }
            Stmt::Do(body, condition) => loop {
                if !self.turn(body)? || !self.eval(condition)?.truth() {
                    return Ok(());
                }
            },
            Stmt::For(first, condition, step, body) => {
                if let Some(first) = first {
                    self.run(first)?;
                }
                while condition.as_ref().map_or(Ok(true), |c| self.eval(c).map(|v| v.truth()))? {
                    if !self.turn(body)? {
                        break;
                    }
                    if let Some(step) = step {
                        self.run(step)?;
                    }
                }
                Ok(())
            }
            Stmt::ForIn(key, array, body) => {
                let keys: Vec<Rc<[u8]>> = self.array(*array)?.borrow().keys().cloned().collect();
                for k in keys {
                    self.store(*key, Value::Input(k))?;
                    if !self.turn(body)? {
                        break;
                    }
                }
                Ok(())
            }
            Stmt::Delete(array, index) => {
                let array = self.array(*array)?;
                match index {
                    None => array.borrow_mut().clear(),
                    Some(index) => {
                        let key = self.key(index)?;
                        array.borrow_mut().shift_remove(&key);
                    }
                }
                Ok(())
            }
            Stmt::Break => Err(Stop::Break),
            Stmt::Continue => Err(Stop::Continue),
            Stmt::Next => Err(Stop::Next),
            Stmt::NextFile => Err(Stop::NextFile),
            Stmt::Exit(value) => {
                if let Some(value) = value {
                    self.status = self.eval(value)?.number() as i64 as i32 & 255;
                }
                Err(Stop::Exit)
            }
            Stmt::Return(value) => {
                let value = value.as_ref().map_or(Ok(Value::Nothing), |v| self.eval(v))?;
                Err(Stop::Return(value))
            }
        }
    }

    /// One turn of a loop; false when it was left.
    fn turn(&mut self, body: &Stmt) -> Done<bool> {
        self.steps += 1;
        if self.steps > STEPS {
            return trouble("maillab: the program goes in a circle");
        }
        match self.run(body) {
            Ok(()) | Err(Stop::Continue) => Ok(true),
            Err(Stop::Break) => Ok(false),
            Err(stop) => Err(stop),
        }
    }

    fn write(&mut self, target: &Target, line: &[u8]) -> Done<()> {
        match target {
            Target::Standard => {
                self.put(line);
                Ok(())
            }
            Target::Command(command) => {
                let command = self.eval(command)?;
                let command = String::from_utf8_lossy(&self.as_text(&command)).into_owned();
                self.commands.entry(command).or_default().extend_from_slice(line);
                Ok(())
            }
            Target::File(name, append) => {
                let name = self.eval(name)?;
                let name = String::from_utf8_lossy(&self.as_text(&name)).into_owned();
                if name == "/dev/stdout" || name == "-" {
                    self.put(line);
                    return Ok(());
                }
                if !self.files.contains_key(&name) {
                    let fd = if name == "/dev/stderr" { Some(2) } else { None };
                    let how = if *append { OpenFlags::APPEND } else { OpenFlags::CREATE };
                    let open = fd.map_or_else(|| self.p.open(&name, how, 0o666), |fd| self.p.fd(fd));
                    match open {
                        Ok(open) => self.files.insert(name.clone(), open),
                        Err(e) => return trouble(format!("cannot open \"{name}\" for output ({e})")),
                    };
                }
                let open = &self.files[&name];
                if open.ino().is_none() {
                    // A pipe takes it when there is time to wait.
                    if name == "/dev/stderr" {
                        self.out.push(Put::Command(String::new(), line.to_vec()));
                    }
                    return Ok(());
                }
                open.write_file(line).or_else(|e| trouble(format!("write failure ({e})")))
            }
        }
    }

    /// Hands over what was printed to commands that are still open.
    pub fn finish(&mut self) {
        for (command, input) in std::mem::take(&mut self.commands) {
            self.out.push(Put::Command(command, input));
        }
    }
}

//! awk at work.

use super::parse::{DIALECT, Expr, Pattern, Place, Program, SPECIAL, Stmt, Target};
use super::value::{Array, Slot, Value};
use crate::shell::commands::regex::Regex;
use crate::world::fs::OpenFlags;
use crate::world::open::Open;
use crate::world::process::{Process, STDIN};
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
        Ok(cut(&regex, text))
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

    fn slot(&mut self, place: Place) -> &mut Slot {
        match place {
            Place::Global(n) => &mut self.globals[n],
            Place::Local(n) => {
                let frame = self.frames.last_mut().expect("a function that runs has a frame");
                &mut frame[n]
            }
        }
    }

    fn array(&mut self, place: Place) -> Done<Array> {
        let slot = self.slot(place);
        match slot {
            Slot::Array(array) => Ok(array.clone()),
            Slot::Value(Value::Nothing) => {
                let array = Array::default();
                *slot = Slot::Array(array.clone());
                Ok(array)
            }
            Slot::Value(_) => trouble("attempt to use a scalar as an array"),
        }
    }

    fn key(&mut self, index: &[Expr]) -> Done<Rc<[u8]>> {
        let mut key = Vec::new();
        for (n, part) in index.iter().enumerate() {
            if n > 0 {
                key.extend_from_slice(&self.special(SUBSEP).text(b""));
            }
            let value = self.eval(part)?;
            if index.len() == 1 {
                return Ok(self.as_text(&value));
            }
            key.extend_from_slice(&self.as_text(&value));
        }
        Ok(key.into())
    }

    fn whole(&mut self) -> Done<Rc<[u8]>> {
        Ok(self.record.clone())
    }

    fn store(&mut self, place: Place, value: Value) -> Done<()> {
        if place == Place::Global(NF) {
            self.split_record()?;
            let count = value.number();
            if !(0.0..=FIELDS).contains(&count) {
                return trouble("program limit exceeded: maximum number of fields");
            }
            self.fields.resize(count as usize, Value::Nothing);
            self.rebuild();
        }
        match self.slot(place) {
            slot @ Slot::Value(_) => {
                *slot = Slot::Value(value);
                Ok(())
            }
            Slot::Array(_) => trouble("attempt to use an array as a scalar"),
        }
    }

    /// Makes the record anew from its fields.
    fn rebuild(&mut self) {
        let between = self.special(OFS).text(b"");
        let mut record = Vec::new();
        for (n, field) in self.fields.iter().enumerate() {
            if n > 0 {
                record.extend_from_slice(&between);
            }
            record.extend_from_slice(&self.as_text(field));
        }
        self.record = record.into();
    }

    fn assign_to(&mut self, target: &Expr, value: Value) -> Done<()> {
        match target {
            Expr::Group(inner) => self.assign_to(inner, value),
            Expr::Var(place) => self.store(*place, value),
            Expr::Index(array, index) => {
                let key = self.key(index)?;
                let array = self.array(*array)?;
                array.borrow_mut().insert(key, value);
                Ok(())
            }
            Expr::Field(number) => {
                let n = self.eval(number)?.number();
                if !(0.0..=FIELDS).contains(&n) {
                    return trouble(format!("program limit exceeded: field index {n}"));
                }
                if n < 1.0 {
                    self.record = self.as_text(&value);
                    self.split = false;
                    return Ok(());
                }
                self.split_record()?;
                let n = n as usize;
                if self.fields.len() < n {
                    self.fields.resize(n, Value::Nothing);
                    self.globals[NF] = Slot::Value(Value::Number(n as f64));
                }
                self.fields[n - 1] = value;
                self.rebuild();
                Ok(())
            }
            _ => trouble("assignment to what cannot be assigned to"),
        }
    }

    pub fn eval(&mut self, expr: &Expr) -> Done<Value> {
        Ok(match expr {
            Expr::Number(n) => Value::Number(*n),
            Expr::Text(t) => Value::Text(t.clone()),
            Expr::Regex(regex) => regex.is_match(&self.record).into(),
            Expr::Group(inner) => self.eval(inner)?,
            Expr::Var(place) => {
                if *place == Place::Global(NF) {
                    self.split_record()?;
                }
                match self.slot(*place) {
                    Slot::Value(value) => value.clone(),
                    Slot::Array(_) => return trouble("attempt to use an array as a scalar"),
                }
            }
            Expr::Field(number) => {
                let n = self.eval(number)?.number();
                if n < 0.0 {
                    return trouble(format!("negative field index ${n}"));
                }
                if n < 1.0 {
                    return Ok(Value::Input(self.record.clone()));
                }
                self.split_record()?;
                self.fields.get(n as usize - 1).cloned().unwrap_or(Value::Nothing)
            }
            Expr::Index(array, index) => {
                let key = self.key(index)?;
                let array = self.array(*array)?;
                let mut array = array.borrow_mut();
                array.entry(key).or_insert(Value::Nothing).clone()
            }
            Expr::In(index, array) => {
                let key = self.key(index)?;
                let array = self.array(*array)?;
                let there = array.borrow().contains_key(&key);
                there.into()
            }
            Expr::Assign(op, target, value) => {
                let mut value = self.eval(value)?;
                if *op != 0 {
                    let old = self.eval(target)?.number();
                    value = arithmetic(*op, old, value.number()).into();
                }
                self.assign_to(target, value.clone())?;
                value
            }
            Expr::Step(old_is_value, by, target) => {
                let old = self.eval(target)?.number();
                self.assign_to(target, (old + by).into())?;
                if *old_is_value { old.into() } else { (old + by).into() }
            }
            Expr::Cond(condition, then, other) => {
                if self.eval(condition)?.truth() {
                    self.eval(then)?
                } else {
                    self.eval(other)?
                }
            }
            Expr::Or(a, b) => (self.eval(a)?.truth() || self.eval(b)?.truth()).into(),
            Expr::And(a, b) => (self.eval(a)?.truth() && self.eval(b)?.truth()).into(),
            Expr::Not(inner) => (!self.eval(inner)?.truth()).into(),
            Expr::Minus(inner) => (-self.eval(inner)?.number()).into(),
            Expr::Plus(inner) => self.eval(inner)?.number().into(),
            Expr::Match { negate, text, pattern } => {
                let value = self.eval(text)?;
                let regex = self.pattern(pattern)?;
                (regex.is_match(&self.as_text(&value)) != *negate).into()
            }
            Expr::Compare(op, a, b) => {
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                let order = if a.numeric() && b.numeric() {
                    a.number().partial_cmp(&b.number())
                } else {
                    Some(self.as_text(&a).cmp(&self.as_text(&b)))
                };
                order
                    .map_or(*op == "!=", |order| match *op {
                        "<" => order.is_lt(),
                        "<=" => order.is_le(),
                        ">" => order.is_gt(),
                        ">=" => order.is_ge(),
                        "==" => order.is_eq(),
                        _ => order.is_ne(),
                    })
                    .into()
            }
            Expr::Concat(a, b) => {
                let a = self.eval(a)?;
                let mut joined = self.as_text(&a).to_vec();
                let b = self.eval(b)?;
                joined.extend_from_slice(&self.as_text(&b));
                if joined.len() > LONGEST {
                    return trouble("out of memory");
                }
                Value::Text(joined.into())
            }
            Expr::Sum(op, a, b) => {
                let (a, b) = (self.eval(a)?.number(), self.eval(b)?.number());
                arithmetic(*op, a, b).into()
            }
            Expr::Call(n, args) => self.call(*n, args)?,
            Expr::Builtin(name, args) => self.builtin(name, args)?,
            Expr::Getline(target, file) => self.getline(target.as_deref(), file.as_deref())?,
        })
    }

    fn getline(&mut self, target: Option<&Expr>, file: Option<&Expr>) -> Done<Value> {
        let record = match file {
            None => self.waiting.pop_front(),
            Some(file) => {
                let name = self.eval(file)?;
                let name = String::from_utf8_lossy(&self.as_text(&name)).into_owned();
                if !self.readers.contains_key(&name) {
                    let Ok(content) = self.p.read_file(&name) else { return Ok(Value::Number(-1.0)) };
                    let lines =
                        crate::shell::commands::text::lines(&content).map(Bytes::copy_from_slice).collect();
                    self.readers.insert(name.clone(), lines);
                }
                self.readers.get_mut(&name).and_then(VecDeque::pop_front)
            }
        };
        let Some(record) = record else { return Ok(Value::Number(0.0)) };
        match (target, file) {
            (None, None) => self.take(&record),
            (None, Some(_)) => {
                self.record = record[..].into();
                self.split = false;
            }
            (Some(target), file) => {
                if file.is_none() {
                    for n in [NR, FNR] {
                        let value = self.special(n).number() + 1.0;
                        self.set(n, value.into());
                    }
                }
                self.assign_to(target, Value::Input(record[..].into()))?;
            }
        }
        Ok(Value::Number(1.0))
    }

    fn call(&mut self, n: usize, args: &[Expr]) -> Done<Value> {
        let program = self.program;
        let function = &program.functions[n];
        if args.len() > function.parameters {
            return trouble(format!("function {} called with too many arguments", function.name));
        }
        if self.frames.len() >= CALLS {
            return trouble(format!("function {}: too many calls inside each other", function.name));
        }
        let mut frame = Vec::with_capacity(function.parameters);
        let mut untyped = Vec::new();
        for (k, arg) in args.iter().enumerate() {
            frame.push(match arg {
                // A variable without a value may become an array inside.
                Expr::Var(place) if *place != Place::Global(NF) => match self.slot(*place) {
                    Slot::Array(array) => Slot::Array(array.clone()),
                    Slot::Value(Value::Nothing) => {
                        untyped.push((k, *place));
                        Slot::default()
                    }
                    Slot::Value(value) => Slot::Value(value.clone()),
                },
                arg => Slot::Value(self.eval(arg)?),
            });
        }
        frame.resize(function.parameters, Slot::default());
        self.frames.push(frame);
        let result = match &function.body {
            Some(body) => self.run(body),
            None => Ok(()),
        };
        let frame = self.frames.pop().unwrap_or_default();
        for (k, place) in untyped {
            if let Slot::Array(array) = &frame[k] {
                *self.slot(place) = Slot::Array(array.clone());
            }
        }
        match result {
            Ok(()) => Ok(Value::Nothing),
            Err(Stop::Return(value)) => Ok(value),
            Err(stop) => Err(stop),
        }
    }

    fn arg(&mut self, args: &[Expr], n: usize) -> Done<Value> {
        args.get(n).map_or(Ok(Value::Nothing), |a| self.eval(a))
    }

    fn arg_text(&mut self, args: &[Expr], n: usize) -> Done<Rc<[u8]>> {
        let value = self.arg(args, n)?;
        Ok(self.as_text(&value))
    }

    fn builtin(&mut self, name: &str, args: &[Expr]) -> Done<Value> {
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
                    self::text(b"")
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
                Ok(self::text(shown.as_bytes()))
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

    fn split_into(&mut self, args: &[Expr]) -> Done<Value> {
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

    fn substitute(&mut self, args: &[Expr], all: bool) -> Done<Value> {
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

    fn format(&mut self, args: &[Expr]) -> Done<Vec<u8>> {
        let format = self.arg_text(args, 0)?;
        let mut values = VecDeque::new();
        for arg in args.iter().skip(1) {
            values.push_back(self.eval(arg)?);
        }
        super::format::format(&format, values, &self.convfmt()).map_err(Stop::Trouble)
    }

    /// The standard input of a command that awk runs is awk's own.
    pub fn stdin(&self) -> Option<Rc<Open>> {
        self.p.fd(STDIN).ok()
    }
}

fn cut<'t>(regex: &Regex, text: &'t [u8]) -> Vec<&'t [u8]> {
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

fn arithmetic(op: u8, a: f64, b: f64) -> f64 {
    match op {
        b'+' => a + b,
        b'-' => a - b,
        b'*' => a * b,
        b'/' => a / b,
        b'%' => a % b,
        _ => a.powf(b),
    }
}

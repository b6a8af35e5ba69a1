//! Expressions and variables.

use super::{CALLS, Done, FIELDS, FNR, LONGEST, Machine, NF, NR, OFS, SUBSEP, Stop, trouble};
use crate::shell::commands::awk::tree::{Expr, Place};
use crate::shell::commands::awk::value::{Array, Slot, Value};
use bytes::Bytes;
use std::collections::VecDeque;
use std::rc::Rc;

impl Machine<'_> {
    pub(super) fn slot(&mut self, place: Place) -> &mut Slot {
        match place {
            Place::Global(n) => &mut self.globals[n],
            Place::Local(n) => {
                let frame = self.frames.last_mut().expect("a function that runs has a frame");
                &mut frame[n]
            }
        }
    }

    pub(super) fn array(&mut self, place: Place) -> Done<Array> {
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

    pub(super) fn key(&mut self, index: &[Expr]) -> Done<Rc<[u8]>> {
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

    pub(super) fn whole(&mut self) -> Done<Rc<[u8]>> {
        Ok(self.record.clone())
    }

    pub(super) fn store(&mut self, place: Place, value: Value) -> Done<()> {
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
    pub(super) fn rebuild(&mut self) {
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

    pub(super) fn assign_to(&mut self, target: &Expr, value: Value) -> Done<()> {
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

    pub(super) fn getline(&mut self, target: Option<&Expr>, file: Option<&Expr>) -> Done<Value> {
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

    pub(super) fn call(&mut self, n: usize, args: &[Expr]) -> Done<Value> {
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

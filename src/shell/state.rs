//! The state of a shell: variables, functions, options, and where it is in its script.

use super::run::Flow;
use super::{parse, run};
use crate::world::exec::Child;
use crate::world::process::{Process, STDIN};
use brush_parser::ast::FunctionBody;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// Texts by number.
    Array(BTreeMap<i64, String>),
}

/// A variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// What it holds.
    pub value: Value,
    /// Is it handed to programs?
    pub exported: bool,
    /// May it be changed no more?
    pub readonly: bool,
}

/// What `set` turns on and off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// `-e`: end at the first failure.
    pub errexit: bool,
    /// `-u`: an unset variable is an error.
    pub nounset: bool,
    /// `-x`: show commands.
    pub xtrace: bool,
    /// `-f`: no file name patterns.
    pub noglob: bool,
    /// `-C`: `>` does not overwrite.
    pub noclobber: bool,
    /// `-o pipefail`
    pub pipefail: bool,
}

/// A shell.
#[derive(Clone)]
pub struct Shell {
    /// Its process.
    pub p: Process,
    pub variables: BTreeMap<String, Variable>,
    pub functions: BTreeMap<String, Rc<FunctionBody>>,
    pub options: Options,
    /// `$0`
    pub name: String,
    /// `$1` and on.
    pub positional: Vec<String>,
    /// `$?`
    pub status: i32,
    /// `$!`
    pub last_background: Option<u32>,
    pub jobs: Vec<Child>,
    /// The line that runs.
    pub line: usize,
    /// How many functions and files are running in one another.
    pub depth: usize,
    /// Variables that functions have hidden, innermost last.
    pub locals: Vec<Vec<(String, Option<Variable>)>>,
    /// `trap` commands by signal name.
    pub traps: BTreeMap<String, String>,
    /// Is this the test of an `if`, or left of `&&`? Then `-e` does not count.
    pub tested: usize,
    /// The status of the last command substitution of a command without a name.
    pub substituted: Option<i32>,
    /// Steps run, so that a loop without end lets the world go on.
    pub steps: u64,
}

impl Shell {
    /// A shell of a process that has just begun.
    pub fn new(p: Process) -> Shell {
        let mut variables = BTreeMap::new();
        for (name, value) in p.env().iter() {
            let value = Value::Text(value.to_string());
            variables.insert(name.to_string(), Variable { value, exported: true, readonly: false });
        }
        let mut shell = Shell {
            name: p.argv().first().map_or_else(|| "bash".to_owned(), |a| a.to_string()),
            p,
            variables,
            functions: BTreeMap::new(),
            options: Options::default(),
            positional: Vec::new(),
            status: 0,
            last_background: None,
            jobs: Vec::new(),
            line: 1,
            depth: 0,
            locals: Vec::new(),
            traps: BTreeMap::new(),
            tested: 0,
            substituted: None,
            steps: 0,
        };
        let pwd = shell.p.cwd_path();
        shell
            .variables
            .insert("PWD".into(), Variable { value: Value::Text(pwd), exported: true, readonly: false });
        let defaults = [("IFS", " \t\n"), ("OPTIND", "1"), ("PS4", "+ ")];
        for (name, value) in defaults {
            shell.set_unchecked(name, value);
        }
        shell
    }

    /// Does what the command line says; gives the exit status.
    pub async fn start(&mut self) -> i32 {
        let args = self.p.args();
        let mut args = args.iter().map(|a| a.to_string()).peekable();
        let mut text = None;
        while let Some(arg) = args.peek().cloned() {
            let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else { break };
            args.next();
            if letters == "-" {
                break;
            }
            if letters.starts_with('-') {
                continue; // --login, --norc, --posix: nothing here differs by them
            }
            if letters.contains('c') {
                text = args.next();
            }
            for letter in letters.chars() {
                self.option(letter, true);
            }
            if letters == "o" {
                args.next();
            }
        }
        let text = match text {
            Some(text) => {
                if let Some(name) = args.next() {
                    self.name = name;
                }
                text
            }
            None => match args.next() {
                Some(file) => match self.script(&file).await {
                    Ok(text) => text,
                    Err(status) => return status,
                },
                None => {
                    let mut all = Vec::new();
                    loop {
                        let more = self.p.read_stdin(65536).await;
                        if more.is_empty() {
                            break;
                        }
                        all.extend_from_slice(&more);
                    }
                    String::from_utf8_lossy(&all).into_owned()
                }
            },
        };
        self.positional = args.collect();
        let flow = self.text(&text).await;
        let status = match flow {
            Flow::Exit(status) | Flow::Return(status) => status,
            _ => self.status,
        };
        self.status = status;
        self.run_trap("EXIT").await;
        status & 255
    }

    async fn script(&mut self, file: &str) -> Result<String, i32> {
        match self.p.read_text(file) {
            Ok(text) => {
                self.name = file.to_owned();
                Ok(text)
            }
            Err(e) => {
                let status = if e == crate::world::errno::Errno::ENOENT { 127 } else { 126 };
                self.p.eprint(format!("{}: {file}: {e}\n", self.name)).await;
                Err(status)
            }
        }
    }

    /// Runs a text as a script.
    pub async fn text(&mut self, text: &str) -> Flow {
        match parse::program(text) {
            Ok(program) => run::program(self, &program).await,
            Err(e) => {
                self.complain(&e).await;
                self.status = 2;
                Flow::Exit(2)
            }
        }
    }

    /// Runs what `trap` has set for a signal or for EXIT.
    pub async fn run_trap(&mut self, name: &str) {
        if let Some(text) = self.traps.remove(name) {
            let status = self.status;
            Box::pin(self.text(&text)).await;
            self.status = status;
        }
    }

    /// Turns an option on or off; false where there is none of this letter.
    pub fn option(&mut self, letter: char, on: bool) -> bool {
        match letter {
            'e' => self.options.errexit = on,
            'u' => self.options.nounset = on,
            'x' => self.options.xtrace = on,
            'f' => self.options.noglob = on,
            'C' => self.options.noclobber = on,
            'a' | 'b' | 'c' | 'h' | 'i' | 'l' | 'm' | 'n' | 's' | 'v' | 'o' | 'B' | 'E' | 'H' | 'P' | 'T' => {
            }
            _ => return false,
        }
        true
    }

    /// A message as the shell says it: name, line, text.
    pub async fn complain(&self, text: &str) {
        self.p.eprint(format!("{}: line {}: {text}\n", self.name, self.line)).await;
    }

    /// A variable's text; of an array, the first.
    pub fn get(&self, name: &str) -> Option<String> {
        match &self.variables.get(name)?.value {
            Value::Text(text) => Some(text.clone()),
            Value::Array(all) => all.get(&0).cloned(),
        }
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// That it is readonly, in the shell's words.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), String> {
        if self.variables.get(name).is_some_and(|v| v.readonly) {
            return Err(format!("{name}: readonly variable"));
        }
        self.set_unchecked(name, value);
        Ok(())
    }

    pub(super) fn set_unchecked(&mut self, name: &str, value: impl Into<String>) {
        match self.variables.get_mut(name) {
            Some(v) => match &mut v.value {
                Value::Array(all) => {
                    all.insert(0, value.into());
                }
                Value::Text(text) => *text = value.into(),
            },
            None => {
                let value = Value::Text(value.into());
                self.variables.insert(name.to_owned(), Variable { value, exported: false, readonly: false });
            }
        }
    }

    /// The environment of programs.
    pub fn environment(&self) -> crate::world::process::Environment {
        self.variables
            .iter()
            .filter(|(_, v)| v.exported)
            .filter_map(|(name, v)| match &v.value {
                Value::Text(text) => Some((name.as_str().into(), text.as_str().into())),
                Value::Array(_) => None,
            })
            .collect()
    }

    /// Lets the world go on now and then: a loop without end must not stop time.
    pub async fn step(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(500) {
            self.p.sleep(std::time::Duration::from_micros(100)).await;
        }
    }

    /// What stands on standard input, up to a line end.
    pub async fn read_line(&self) -> (Vec<u8>, bool) {
        let Ok(open) = self.p.fd(STDIN) else { return (Vec::new(), false) };
        let mut line = Vec::new();
        loop {
            match open.read(4096).await {
                Ok(mut got) if !got.is_empty() => match memchr::memchr(b'\n', &got) {
                    Some(at) => {
                        let rest = got.split_off(at + 1);
                        open.unread(rest);
                        line.extend_from_slice(&got[..at]);
                        return (line, true);
                    }
                    None => line.extend_from_slice(&got),
                },
                _ => return (line, false),
            }
        }
    }
}

//! The state of a shell: variables, functions, options, and where it is in its script.

use super::dialect::Dialect;
use super::job::Job;
use super::options::Options;
use super::parse::{self, Trouble};
use super::run::{self, Flow};
use super::variable::{Letters, Value, Variable};
use super::{arith, redirect};
use crate::world::clock::Duration;
use crate::world::open::Open;
use crate::world::process::{Environment, Process};
use brush_parser::ast::FunctionBody;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A function.
#[derive(Clone)]
pub struct Function {
    /// What it does.
    pub body: Rc<FunctionBody>,
    /// Where it was defined, as errors in it say.
    pub source: Rc<str>,
    /// The line before the first of the text in which it was defined.
    pub line_base: usize,
}

/// What a function has hidden of a variable, to be put back.
pub type Hidden = (String, Option<Variable>);

/// A shell.
#[derive(Clone)]
pub struct Shell {
    /// Its process.
    pub p: Process,
    /// bash or dash.
    pub dialect: Dialect,
    pub variables: BTreeMap<String, Variable>,
    pub functions: BTreeMap<String, Function>,
    pub aliases: BTreeMap<String, String>,
    /// Builtins that `enable -n` has turned off.
    pub disabled: Vec<String>,
    pub options: Options,
    /// `$0`
    pub name: String,
    /// What errors name: `$0`, a sourced file, or where a function was defined.
    pub source: Rc<str>,
    /// What errors in a function will name that is defined now.
    pub defines_in: Rc<str>,
    /// What syntax errors say behind the name: `-c`, `eval`, or nothing.
    pub note: &'static str,
    /// `$$`: the number of the shell that subshells came from.
    pub pid: u32,
    /// `$1` and on.
    pub positional: Vec<String>,
    /// `$?`
    pub status: i32,
    /// The statuses of the last pipeline's commands.
    pub statuses: Vec<i32>,
    /// `$!`
    pub last_background: Option<u32>,
    /// `$_`
    pub last_word: String,
    pub jobs: Vec<Job>,
    /// The line that runs.
    pub line: usize,
    /// The line before the first of the text that runs.
    pub line_base: usize,
    /// How many texts, functions and substitutions are running in one another.
    pub depth: usize,
    /// How many loops of this function are running.
    pub loops: usize,
    /// How many files are being sourced.
    pub sourcing: usize,
    /// Names of the functions that run, the innermost last.
    pub calls: Vec<Rc<str>>,
    /// How many subshells it lies in.
    pub level: usize,
    /// Did the text come with `-c`, and is this no subshell of it? Then some errors end with 127.
    pub from_text: bool,
    /// Variables that functions have hidden, innermost last.
    pub locals: Vec<Vec<Hidden>>,
    /// `trap` commands by signal name; an empty one means that the signal is ignored.
    pub traps: BTreeMap<String, String>,
    /// Is a `trap` command running? Then ERR and DEBUG are quiet.
    pub trapping: bool,
    /// Is this the test of an `if`, or left of `&&`? Then `-e` does not count.
    pub tested: usize,
    /// The status of the last command substitution of a command without a name.
    pub substituted: Option<i32>,
    /// Where `getopts` is within an argument, and for which OPTIND.
    pub option_place: (usize, usize),
    /// `pushd`'s stack, without the working directory.
    pub directories: Vec<String>,
    /// Names in `{name}>file`, by number.
    pub descriptor_names: Vec<String>,
    /// Descriptors that `{name}>file` has opened or closed for good.
    pub kept_descriptors: Vec<i32>,
    /// May the process become the next program, since nothing comes behind it?
    pub may_become: bool,
    /// How many `eval` and sourced files are running: a text in them that cannot be read is no more
    /// than a failure.
    pub evaluating: usize,
    /// How many more `+` stand in front of what `set -x` shows.
    pub trace_level: usize,
    /// Does it read its commands from a person at a terminal?
    pub interactive: bool,
    /// Steps run, so that a loop without end lets the world go on.
    pub steps: u64,
}

/// After so many calls in one another the next one gets a task of its own.
pub const HOP: usize = 10;

/// The deepest that texts, functions and substitutions may run in one another. The real shell goes
/// on until its stack gives way.
pub const DEEPEST: usize = 100;

impl Shell {
    /// A shell of a process that has just begun.
    pub fn new(p: Process, dialect: Dialect) -> Shell {
        let name = p.argv().first().map_or_else(|| "bash".to_owned(), |a| a.to_string());
        let mut shell = Shell {
            dialect,
            variables: BTreeMap::new(),
            functions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            disabled: Vec::new(),
            options: Options::default(),
            source: name.as_str().into(),
            defines_in: "environment".into(),
            note: "",
            pid: p.pid(),
            positional: Vec::new(),
            status: 0,
            statuses: vec![0],
            last_background: None,
            last_word: name.clone(),
            name,
            jobs: Vec::new(),
            line: 1,
            line_base: 0,
            depth: 0,
            loops: 0,
            sourcing: 0,
            calls: Vec::new(),
            level: 0,
            from_text: false,
            locals: Vec::new(),
            traps: BTreeMap::new(),
            trapping: false,
            tested: 0,
            substituted: None,
            option_place: (1, 1),
            directories: Vec::new(),
            descriptor_names: Vec::new(),
            kept_descriptors: Vec::new(),
            may_become: false,
            evaluating: 0,
            trace_level: 0,
            interactive: false,
            steps: 0,
            p,
        };
        shell.begin();
        shell
    }

    /// The variables that a shell starts with.
    fn begin(&mut self) {
        for (name, value) in self.p.env().iter() {
            let value = Value::Text(value.to_string());
            self.variables.insert(name.to_string(), Variable { exported: true, ..Variable::new(value) });
        }
        // PWD is believed where it names the working directory, by whatever links.
        let pwd = self.get("PWD").filter(|path| {
            path.starts_with('/') && self.p.stat(path, true).is_ok_and(|s| s.ino == self.p.cwd())
        });
        let pwd = pwd.unwrap_or_else(|| self.p.cwd_path());
        self.set_unchecked("PWD", pwd);
        self.export("PWD");
        self.set_unchecked("IFS", " \t\n");
        self.set_unchecked("OPTIND", "1");
        self.set_unchecked("PS4", "+ ");
        if self.dialect == Dialect::Dash {
            return;
        }
        if self.get("PATH").is_none() {
            self.set_unchecked("PATH", "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin:.");
        }
        let level = self.get("SHLVL").and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
        self.set_unchecked("SHLVL", (level + 1).clamp(0, 999).to_string());
        self.export("SHLVL");
        for (name, value) in [
            ("BASH", "/bin/bash"),
            ("BASH_VERSION", "5.2.15(1)-release"),
            ("HOSTTYPE", "x86_64"),
            ("MACHTYPE", "x86_64-pc-linux-gnu"),
            ("OSTYPE", "linux-gnu"),
        ] {
            self.set_unchecked(name, value);
        }
        let host = self.p.host().name().to_string();
        self.set_unchecked("HOSTNAME", host);
        let version = ["5", "2", "15", "1", "release", "x86_64-pc-linux-gnu"].into_iter().enumerate();
        let version = version.map(|(n, t)| (n as i64, t.to_owned())).collect();
        self.variables.insert("BASH_VERSINFO".to_owned(), Variable::new(Value::Array(version)));
    }

    fn export(&mut self, name: &str) {
        if let Some(v) = self.variables.get_mut(name) {
            v.exported = true;
        }
    }

    /// A copy for a subshell, which the child process `p` runs.
    pub fn subshell(&self, p: Process) -> Shell {
        let mut inner = self.clone();
        inner.p = p;
        inner.level += 1;
        inner.from_text = false;
        inner.jobs.clear();
        inner.evaluating = 0;
        inner.may_become = false;
        inner.interactive = false;
        inner.tested = 0;
        // What is ignored stays ignored.
        inner.traps.retain(|_, command| command.is_empty());
        inner
    }

    /// Does `job` in a task of its own, and goes on when it is done: so the program's stack does not
    /// grow with how deep functions call one another.
    pub async fn apart(&mut self, job: impl AsyncFnOnce(&mut Shell) -> Flow + 'static) -> Flow {
        let (reader, writer) = self.p.pipe();
        let (mut inner, slot) = (self.clone(), Rc::new(RefCell::new(None)));
        let done = slot.clone();
        self.p.task(async move {
            let flow = job(&mut inner).await;
            done.replace(Some((inner, flow)));
            drop(writer);
        });
        let _ = reader.read(1).await;
        match slot.take() {
            Some((inner, flow)) => {
                *self = inner;
                flow
            }
            None => Flow::Exit(1),
        }
    }

    /// Runs a text as a script.
    pub async fn text(&mut self, text: &str) -> Flow {
        if self.depth >= DEEPEST {
            let text = format!("texts run in one another more than {DEEPEST} deep");
            self.complain(&text).await;
            self.status = 1;
            return Flow::Exit(1);
        }
        let extended = self.options.shopt("extglob") == Some(true);
        // Bash reads line by line, so an option counts from the next line on; here, from the start.
        let extended = extended || (self.is_bash() && text.contains("shopt -s extglob"));
        let named = redirect::named(text, &mut self.descriptor_names);
        let script = parse::script(named.as_deref().unwrap_or(text), self.dialect, extended);
        if self.options.verbose {
            self.p.eprint(format!("{}\n", text.trim_end_matches('\n'))).await;
        }
        // What stands in front of an error has been run when the document's end is missed.
        let early = script.trouble.is_none();
        if early {
            self.warn_of_document(text, &script).await;
        }
        self.depth += 1;
        let flow = run::program(self, &script.program).await;
        self.depth -= 1;
        if !early {
            self.warn_of_document(text, &script).await;
        }
        match script.trouble {
            Some(trouble) if matches!(flow, Flow::Normal | Flow::Discard) => self.refuse(&trouble).await,
            _ => flow,
        }
    }

    /// Bash says that a here-document ended with the text.
    async fn warn_of_document(&mut self, text: &str, script: &parse::Script) {
        let Some((line, word)) = script.unended.as_ref().filter(|_| self.is_bash()) else { return };
        let last = self.line_base + text.trim_end_matches('\n').split('\n').count();
        let text = format!(
            "{}: line {last}: warning: here-document at line {line} delimited by end-of-file (wanted `{word}')\n",
            self.source
        );
        self.p.eprint(text).await;
    }

    /// Says what is wrong with a text.
    async fn refuse(&mut self, trouble: &Trouble) -> Flow {
        self.status = 2;
        let said = match self.dialect {
            Dialect::Bash => {
                let note = if self.note.is_empty() { String::new() } else { format!("{}: ", self.note) };
                let lines = trouble.bash();
                let said = |line: &String| match line.split_once(": ") {
                    // At a prompt there is no telling which line it was.
                    Some((_, rest)) if self.interactive => format!("{}: {note}{rest}\n", self.source),
                    _ => format!("{}: {note}{line}\n", self.source),
                };
                lines.iter().map(said).collect::<String>()
            }
            Dialect::Dash => format!("{}: {}\n", self.name, trouble.dash()),
        };
        self.p.eprint(said).await;
        if self.interactive || (self.evaluating > 0 && self.is_bash()) { Flow::Normal } else { Flow::Exit(2) }
    }

    /// A message as bash says it: name, line, text.
    pub async fn complain(&self, text: &str) {
        let said = match self.dialect {
            Dialect::Bash if self.interactive && self.sourcing == 0 => format!("{}: {text}\n", self.source),
            Dialect::Bash => format!("{}: line {}: {text}\n", self.source, self.line.max(1)),
            Dialect::Dash => format!("{}: {}: {text}\n", self.name, self.line.max(1)),
        };
        self.p.eprint(said).await;
    }

    /// A message in the words of the one or the other shell.
    pub async fn say(&self, bash: &str, dash: &str) {
        self.complain(if self.dialect == Dialect::Bash { bash } else { dash }).await;
    }

    /// Is it bash?
    pub fn is_bash(&self) -> bool {
        self.dialect == Dialect::Bash
    }

    /// What happens after an error that ends a script that came with `-c` and no other.
    pub fn fatal(&self) -> Flow {
        if self.interactive {
            return Flow::Discard;
        }
        match self.dialect {
            Dialect::Dash => Flow::Exit(2),
            Dialect::Bash => Flow::Exit(if self.from_text { 127 } else { 1 }),
        }
    }

    /// What happens after an error that ends the line: bash goes on with the next, dash ends.
    pub fn discard(&self) -> Flow {
        if self.is_bash() || self.interactive { Flow::Discard } else { Flow::Exit(2) }
    }

    /// The variable that a name means: itself, or what a reference points at.
    pub fn meant(&self, name: &str) -> String {
        let mut name = name.to_owned();
        for _ in 0..8 {
            match self.variables.get(&name) {
                Some(v) if v.reference => match v.text() {
                    Some(target) if !target.is_empty() => name = target.clone(),
                    _ => break,
                },
                _ => break,
            }
        }
        name
    }

    /// A variable's text; of an array, the first.
    pub fn get(&self, name: &str) -> Option<String> {
        let variable = self.variables.get(name)?;
        if variable.reference {
            return self.variables.get(&self.meant(name))?.text().cloned();
        }
        variable.text().cloned()
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// That it is readonly, in the shell's words.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> Result<(), String> {
        let name = self.meant(name);
        let value = self.converted(&name, value.into())?;
        if name == "OPTIND" {
            self.option_place = (1, 1);
        }
        let export = self.options.allexport;
        let variable = self.changeable(&name)?;
        variable.set_text(value);
        variable.exported |= export;
        Ok(())
    }

    /// What is assigned to a variable, after what its attributes do to it.
    ///
    /// # Errors
    /// What is wrong with an expression.
    pub fn converted(&mut self, name: &str, value: String) -> Result<String, String> {
        let Some(variable) = self.variables.get(name) else { return Ok(value) };
        match variable.letters {
            Some(Letters::Upper) => return Ok(value.to_uppercase()),
            Some(Letters::Lower) => return Ok(value.to_lowercase()),
            None => {}
        }
        if variable.integer { arith::number(self, &value).map(|n| n.to_string()) } else { Ok(value) }
    }

    /// A variable to be changed, made if need be.
    ///
    /// # Errors
    /// That it is readonly.
    pub fn changeable(&mut self, name: &str) -> Result<&mut Variable, String> {
        let dialect = self.dialect;
        let variable = self.variables.entry(name.to_owned()).or_default();
        if variable.readonly {
            return Err(match dialect {
                Dialect::Bash => format!("{name}: readonly variable"),
                Dialect::Dash => format!("{name}: is read only"),
            });
        }
        Ok(variable)
    }

    /// Sets a variable of the shell's own.
    pub fn set_unchecked(&mut self, name: &str, value: impl Into<String>) {
        self.variables.entry(name.to_owned()).or_default().set_text(value.into());
    }

    /// The environment of a program; `path` is what it is run from.
    pub fn environment(&self, path: &str) -> Environment {
        let mut env: Environment = self
            .variables
            .iter()
            .filter(|(_, v)| v.exported)
            .filter_map(|(name, v)| match &v.value {
                Value::Text(text) => Some((name.as_str().into(), text.as_str().into())),
                _ => None,
            })
            .collect();
        if self.is_bash() {
            env.insert("_".into(), path.into());
        }
        env
    }

    /// Puts the descriptors back that were open before a redirection.
    pub fn put_back(&mut self, mut before: BTreeMap<i32, Rc<Open>>) {
        for n in std::mem::take(&mut self.kept_descriptors) {
            match self.p.fd(n) {
                Ok(open) => before.insert(n, open),
                Err(_) => before.remove(&n),
            };
        }
        drop(self.p.set_fds(before));
    }

    /// Lets the world go on now and then: a loop without end must not stop time. The longer a script
    /// has run, the more time passes, so that whoever waits for it in vain gives up soon.
    pub async fn step(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(500) {
            let pause = Duration::from_micros(100 << (self.steps / 200_000).min(30));
            self.p.sleep(pause).await;
        }
    }
}

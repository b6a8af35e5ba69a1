//! Simple commands: assignments, redirections, and a function, a builtin or a program.

use super::run::{self, Flow};
use super::state::{Shell, Value, Variable};
use super::{arith, builtin, redirect, word};
use crate::world::errno::Errno;
use crate::world::exec::Start;
use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem as Item, IoRedirect,
    SimpleCommand, Word,
};
use std::collections::BTreeMap;
use std::rc::Rc;

/// How deep functions may call one another.
const DEEPEST: usize = 200;

/// Runs a simple command.
pub async fn run(shell: &mut Shell, command: &SimpleCommand) -> Flow {
    let (mut words, mut redirects, mut assignments): (Vec<Word>, Vec<&IoRedirect>, Vec<&Assignment>) =
        Default::default();
    for item in command.prefix.iter().flat_map(|p| &p.0) {
        match item {
            Item::IoRedirect(r) => redirects.push(r),
            Item::AssignmentWord(a, _) => assignments.push(a),
            Item::Word(w) => words.push(w.clone()),
            Item::ProcessSubstitution(..) => return unavailable(shell, "process substitution").await,
        }
    }
    words.extend(command.word_or_name.clone());
    let declares = command.word_or_name.as_ref().is_some_and(|w| builtin::declares(&w.value));
    let mut declared: Vec<&Assignment> = Vec::new();
    for item in command.suffix.iter().flat_map(|s| &s.0) {
        match item {
            Item::IoRedirect(r) => redirects.push(r),
            Item::Word(w) => words.push(w.clone()),
            Item::AssignmentWord(a, _) if declares && matches!(a.value, AssignmentValue::Array(_)) => {
                declared.push(a)
            }
            Item::AssignmentWord(a, w) if declares => words.push(quoted_assignment(a, w)),
            Item::AssignmentWord(_, w) => words.push(w.clone()),
            Item::ProcessSubstitution(..) => return unavailable(shell, "process substitution").await,
        }
    }
    shell.substituted = None;
    let argv = match word::fields(shell, &words).await {
        Ok(argv) => argv,
        Err(e) => return word::failed(shell, e).await,
    };
    trace(shell, &argv).await;
    let before = shell.p.fds();
    for r in redirects {
        if let Err(e) = redirect::apply(shell, r).await {
            shell.p.set_fds(before);
            shell.complain(&e).await;
            shell.status = 1;
            return Flow::Normal;
        }
    }
    let mut flow = Flow::Normal;
    for a in declared {
        if let Err(e) = assign(shell, a).await {
            shell.complain(&e).await;
        }
    }
    if argv.is_empty() {
        flow = assign_all(shell, &assignments).await;
    } else {
        let saved = match temporary(shell, &assignments).await {
            Ok(saved) => saved,
            Err(e) => {
                shell.p.set_fds(before);
                shell.complain(&e).await;
                shell.status = 1;
                return Flow::Normal;
            }
        };
        let keeps = argv[0] == "exec" && argv.len() == 1;
        flow = match flow {
            Flow::Normal => call(shell, &argv).await,
            flow => flow,
        };
        for (name, old) in saved {
            match old {
                Some(v) => shell.variables.insert(name, v),
                None => shell.variables.remove(&name),
            };
        }
        if keeps {
            return flow; // `exec >file` is for the rest of the script
        }
    }
    shell.p.set_fds(before);
    flow
}

async fn unavailable(shell: &mut Shell, what: &str) -> Flow {
    shell.complain(&format!("{what}: not available in the lab")).await;
    shell.status = 1;
    Flow::Normal
}

/// The value in `export name=value` is not split: it is put in as if quoted.
fn quoted_assignment(a: &Assignment, w: &Word) -> Word {
    match (&a.name, &a.value) {
        (AssignmentName::VariableName(name), AssignmentValue::Scalar(value)) => {
            let op = if a.append { "+=" } else { "=" };
            let plain = !value.value.contains(['$', '`', '"', '\'', '\\', '*', '?', '[', ' ', '~']);
            let text = if plain {
                format!("{name}{op}{}", value.value)
            } else {
                format!("{name}{op}\"{}\"", inner(&value.value))
            };
            Word::new(&text)
        }
        _ => w.clone(),
    }
}

/// A word's text as it would stand between double quotes: its own quotes are kept by leaving them.
fn inner(value: &str) -> String {
    match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).filter(|v| !v.contains('"')) {
        Some(plain) => plain.to_owned(),
        None if value.contains(['"', '\'']) => format!("\"{value}\""),
        None => value.to_owned(),
    }
}

async fn trace(shell: &mut Shell, argv: &[String]) {
    if shell.options.xtrace && !argv.is_empty() {
        let plain =
            |w: &String| !w.is_empty() && w.chars().all(|c| c.is_alphanumeric() || "-_./=:,+@%".contains(c));
        let shown: Vec<String> = argv
            .iter()
            .map(|w| if plain(w) { w.clone() } else { format!("'{}'", w.replace('\'', "'\\''")) })
            .collect();
        shell.p.eprint(format!("+ {}\n", shown.join(" "))).await;
    }
}

async fn assign_all(shell: &mut Shell, assignments: &[&Assignment]) -> Flow {
    let mut status = 0;
    for a in assignments {
        if let Err(e) = assign(shell, a).await {
            shell.complain(&e).await;
            shell.status = 1;
            return Flow::Exit(1);
        }
        status = shell.substituted.unwrap_or(0);
    }
    shell.status = shell.substituted.unwrap_or(status);
    Flow::Normal
}

async fn assign(shell: &mut Shell, a: &Assignment) -> Result<(), String> {
    match (&a.name, &a.value) {
        (AssignmentName::VariableName(name), AssignmentValue::Scalar(w)) => {
            let mut value = word::text(shell, &w.value).await.map_err(|e| e.text)?;
            if a.append {
                value = shell.get(name).unwrap_or_default() + &value;
            }
            shell.set(name, value)
        }
        (AssignmentName::ArrayElementName(name, index), AssignmentValue::Scalar(w)) => {
            let index = arith::evaluate(shell, index).await?;
            let value = word::text(shell, &w.value).await.map_err(|e| e.text)?;
            set_element(shell, name, index, value)
        }
        (AssignmentName::VariableName(name), AssignmentValue::Array(items)) => {
            let mut all = match shell.variables.get(name).map(|v| &v.value) {
                Some(Value::Array(all)) if a.append => all.clone(),
                _ => BTreeMap::new(),
            };
            let mut next = all.keys().next_back().map_or(0, |n| n + 1);
            for (index, w) in items {
                if let Some(index) = index {
                    next = arith::evaluate(shell, &index.value).await?;
                }
                for value in word::fields(shell, std::slice::from_ref(w)).await.map_err(|e| e.text)? {
                    all.insert(next, value);
                    next += 1;
                }
            }
            let exported = shell.variables.get(name).is_some_and(|v| v.exported);
            shell
                .variables
                .insert(name.clone(), Variable { value: Value::Array(all), exported, readonly: false });
            Ok(())
        }
        (AssignmentName::ArrayElementName(name, _), AssignmentValue::Array(_)) => {
            Err(format!("{name}: cannot assign list to array member"))
        }
    }
}

/// Sets an element of an array variable, making it one if need be.
///
/// # Errors
/// That the variable is readonly.
pub fn set_element(shell: &mut Shell, name: &str, index: i64, value: String) -> Result<(), String> {
    let empty = || Variable { value: Value::Array(BTreeMap::new()), exported: false, readonly: false };
    let variable = shell.variables.entry(name.to_owned()).or_insert_with(empty);
    if variable.readonly {
        return Err(format!("{name}: readonly variable"));
    }
    if let Value::Text(text) = &variable.value {
        variable.value = Value::Array([(0, text.clone())].into());
    }
    if let Value::Array(all) = &mut variable.value {
        all.insert(index, value);
    }
    Ok(())
}

/// Assignments in front of a command hold for it alone; gives what to put back.
async fn temporary(
    shell: &mut Shell,
    assignments: &[&Assignment],
) -> Result<Vec<(String, Option<Variable>)>, String> {
    let mut saved = Vec::new();
    for a in assignments {
        let (AssignmentName::VariableName(name) | AssignmentName::ArrayElementName(name, _)) = &a.name;
        saved.push((name.clone(), shell.variables.get(name).cloned()));
        assign(shell, a).await?;
        if let Some(v) = shell.variables.get_mut(name) {
            v.exported = true;
        }
    }
    Ok(saved)
}

/// Calls a function, a builtin or a program.
pub async fn call(shell: &mut Shell, argv: &[String]) -> Flow {
    let name = argv[0].as_str();
    if let Some(body) = shell.functions.get(name).cloned() {
        return function(shell, argv, &body).await;
    }
    match builtin::find(name) {
        Some(builtin) => builtin::run(shell, builtin, argv).await,
        None => program(shell, argv).await,
    }
}

async fn function(shell: &mut Shell, argv: &[String], body: &Rc<brush_parser::ast::FunctionBody>) -> Flow {
    if shell.depth >= DEEPEST {
        shell.complain(&format!("{}: maximum function nesting level exceeded ({DEEPEST})", argv[0])).await;
        shell.status = 1;
        return Flow::Normal;
    }
    let positional = std::mem::replace(&mut shell.positional, argv[1..].to_vec());
    shell.depth += 1;
    shell.locals.push(Vec::new());
    let flow = Box::pin(run::with_redirects(shell, &body.0, body.1.as_ref())).await;
    for (name, old) in shell.locals.pop().unwrap_or_default().into_iter().rev() {
        match old {
            Some(v) => shell.variables.insert(name, v),
            None => shell.variables.remove(&name),
        };
    }
    shell.depth -= 1;
    shell.positional = positional;
    match flow {
        Flow::Return(status) => {
            shell.status = status;
            Flow::Normal
        }
        Flow::Exit(status) => Flow::Exit(status),
        _ => Flow::Normal,
    }
}

/// Runs a program and waits for it.
pub async fn program(shell: &mut Shell, argv: &[String]) -> Flow {
    shell.status = match start(shell, argv).await {
        Ok(child) => child.wait().await,
        Err(status) => status,
    };
    Flow::Normal
}

async fn start(shell: &mut Shell, argv: &[String]) -> Result<crate::world::exec::Child, i32> {
    let name = argv[0].as_str();
    if let Some(path) = shell.get("PATH") {
        shell.p.set_var("PATH", Some(&path));
    }
    let path = match shell.p.find_program(name) {
        Ok(path) => path,
        Err(Errno::ENOENT) if !name.contains('/') => {
            shell.complain(&format!("{name}: command not found")).await;
            return Err(127);
        }
        Err(e) => {
            shell.complain(&format!("{name}: {e}")).await;
            return Err(if e == Errno::ENOENT { 127 } else { 126 });
        }
    };
    if shell.p.stat(&path, true).is_ok_and(|s| s.is_dir()) {
        shell.complain(&format!("{name}: Is a directory")).await;
        return Err(126);
    }
    let mut begin = Start::new(argv);
    begin.env = Some(shell.environment());
    match shell.p.spawn(&path, begin) {
        Ok(child) => Ok(child),
        // A text that is no program and names no interpreter is a script of ours.
        Err(Errno::ENOEXEC) => {
            let mut again = Start::new(
                ["/bin/bash", path.as_str()].into_iter().chain(argv[1..].iter().map(String::as_str)),
            );
            again.env = Some(shell.environment());
            match shell.p.spawn("/bin/bash", again) {
                Ok(child) => Ok(child),
                Err(e) => {
                    shell.complain(&format!("{name}: {e}")).await;
                    Err(126)
                }
            }
        }
        Err(e) => {
            shell.complain(&format!("{name}: {e}")).await;
            Err(126)
        }
    }
}

//! Simple commands: assignments, redirections, and a function, a builtin or a program.

use super::builtin;
use super::run::{self, Flow};
use super::state::{DEEPEST, Function, HOP, Shell};
use super::variable::{Assoc, Value, Variable};
use super::{arith, quote, redirect, trap, word};
use crate::world::errno::Errno;
use crate::world::exec::{Child, Start};
use brush_parser::ast::{
    Assignment, AssignmentName, AssignmentValue, CommandPrefixOrSuffixItem as Item, IoRedirect,
    SimpleCommand, SourceLocation, Word,
};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A simple command, taken apart.
#[derive(Default)]
struct Taken<'a> {
    words: Vec<Argument<'a>>,
    redirects: Vec<&'a IoRedirect>,
    assignments: Vec<&'a Assignment>,
}

enum Argument<'a> {
    Word(&'a Word),
    /// `name=value` behind `export` and its kin: not split.
    Assignment(&'a Assignment),
    Process(&'a brush_parser::ast::ProcessSubstitutionKind, &'a brush_parser::ast::SubshellCommand),
}

fn take(command: &SimpleCommand) -> Taken<'_> {
    let mut taken = Taken::default();
    let declares = command.word_or_name.as_ref().is_some_and(|w| builtin::declares(&w.value));
    for item in command.prefix.iter().flat_map(|p| &p.0) {
        match item {
            Item::IoRedirect(r) => taken.redirects.push(r),
            Item::AssignmentWord(a, _) => taken.assignments.push(a),
            Item::Word(w) => taken.words.push(Argument::Word(w)),
            Item::ProcessSubstitution(how, list) => taken.words.push(Argument::Process(how, list)),
        }
    }
    taken.words.extend(command.word_or_name.as_ref().map(Argument::Word));
    for item in command.suffix.iter().flat_map(|s| &s.0) {
        match item {
            Item::IoRedirect(r) => taken.redirects.push(r),
            Item::AssignmentWord(a, _) if declares => taken.words.push(Argument::Assignment(a)),
            Item::Word(w) | Item::AssignmentWord(_, w) => taken.words.push(Argument::Word(w)),
            Item::ProcessSubstitution(how, list) => taken.words.push(Argument::Process(how, list)),
        }
    }
    taken
}

/// The line that errors of a command name: where its second word ends, since bash has read so far
/// when it notes the line.
pub fn line_of(command: &SimpleCommand) -> Option<usize> {
    let end = |at: Option<brush_parser::SourceSpan>| at.map(|at| at.end.line);
    if let Some(first) = command.prefix.as_ref().and_then(|p| p.0.first()) {
        return end(first.location()).or_else(|| command.location().map(|at| at.start.line));
    }
    let second = command.suffix.as_ref().and_then(|s| s.0.first()).and_then(|item| end(item.location()));
    second.or_else(|| end(command.word_or_name.as_ref().and_then(|w| w.location())))
}

/// Runs a simple command.
pub async fn run(shell: &mut Shell, command: &SimpleCommand) -> Flow {
    if let Some(flow) = aliased(shell, command).await {
        return flow;
    }
    let taken = take(command);
    let may_become = std::mem::take(&mut shell.may_become);
    shell.substituted = None;
    let substitutes = taken.words.iter().any(|w| matches!(w, Argument::Process(..)));
    let before = (substitutes || !taken.redirects.is_empty()).then(|| shell.p.fds());
    let (argv, arrays) = match arguments(shell, &taken.words).await {
        Ok(done) => done,
        Err(e) => {
            let flow = word::failed(shell, e).await;
            put_back(shell, before);
            return flow;
        }
    };
    shell.may_become = may_become;
    let flow = expanded(shell, command, &taken, &argv, &arrays, before).await;
    if let Some(last) = argv.last() {
        shell.last_word.clone_from(last);
    }
    flow
}

async fn expanded(
    shell: &mut Shell,
    command: &SimpleCommand,
    taken: &Taken<'_>,
    argv: &[String],
    arrays: &[&Assignment],
    before: Option<BTreeMap<i32, Rc<crate::world::open::Open>>>,
) -> Flow {
    if !shell.traps.is_empty() {
        let flow = trap::event(shell, "DEBUG").await;
        if flow != Flow::Normal {
            put_back(shell, before);
            return flow;
        }
    }
    if let Err(e) = redirect::apply_all(shell, &taken.redirects).await {
        put_back(shell, before);
        shell.complain(&e).await;
        shell.status = if shell.is_bash() { 1 } else { 2 };
        if e.ends_with("unbound variable") {
            return shell.fatal();
        }
        let special = argv.first().and_then(|n| builtin::find(n)).is_some_and(builtin::is_special);
        return if special && !shell.is_bash() { Flow::Exit(2) } else { Flow::Normal };
    }
    if argv.is_empty() {
        let flow = assign_all(shell, &taken.assignments).await;
        put_back(shell, before);
        return flow;
    }
    let mut saved = Vec::new();
    for a in &taken.assignments {
        // A readonly variable is told of, and the command runs all the same.
        if let Err(e) = temporary(shell, a, &mut saved).await {
            shell.complain(&e.text).await;
            if !shell.is_bash() {
                return Flow::Exit(2);
            }
        }
    }
    if shell.options.xtrace {
        let shown: Vec<String> = argv.iter().map(|w| quote::word(w)).collect();
        trace(shell, &shown.join(" ")).await;
    }
    let keeps = argv[0] == "exec" && !shell.functions.contains_key("exec") && argv.len() == 1;
    let mut flow = call(shell, argv, || command.to_string()).await;
    for a in arrays {
        if shell.status != 0 {
            break;
        }
        if let Err(e) = assign(shell, a).await {
            flow = word::failed(shell, e).await;
        }
    }
    for (name, old) in saved.into_iter().rev() {
        match old {
            Some(v) => shell.variables.insert(name, v),
            None => shell.variables.remove(&name),
        };
    }
    if keeps {
        shell.kept_descriptors.clear();
    } else {
        put_back(shell, before);
    }
    flow
}

fn put_back(shell: &mut Shell, before: Option<BTreeMap<i32, Rc<crate::world::open::Open>>>) {
    if let Some(before) = before {
        shell.put_back(before);
    }
}

/// The arguments of a command, and the arrays that it declares.
async fn arguments<'a>(
    shell: &mut Shell,
    words: &[Argument<'a>],
) -> Result<(Vec<String>, Vec<&'a Assignment>), word::Failure> {
    let (mut argv, mut arrays) = (Vec::with_capacity(words.len()), Vec::new());
    for w in words {
        match w {
            Argument::Word(w) => word::add_fields(shell, &w.value, &mut argv).await?,
            Argument::Process(how, list) => argv.push(redirect::substitute(shell, how, list)),
            Argument::Assignment(a) => match &a.value {
                AssignmentValue::Scalar(value) => {
                    let text = word::assigned(shell, &value.value).await?;
                    argv.push(format!("{}{}{text}", a.name, if a.append { "+=" } else { "=" }));
                }
                AssignmentValue::Array(_) => {
                    argv.push(a.name.to_string());
                    arrays.push(*a);
                }
            },
        }
    }
    Ok((argv, arrays))
}

/// A command whose name is an alias is read again, with what the alias stands for.
async fn aliased(shell: &mut Shell, command: &SimpleCommand) -> Option<Flow> {
    if shell.aliases.is_empty() || shell.options.shopt("expand_aliases") != Some(true) {
        return None;
    }
    let name = command.word_or_name.as_ref()?.value.clone();
    let text = shell.aliases.remove(&name)?;
    let whole = command.to_string();
    let flow = match whole.find(&name) {
        Some(at) => {
            let whole = format!("{}{text}{}", &whole[..at], &whole[at + name.len()..]);
            Box::pin(shell.text(&whole)).await
        }
        None => Flow::Normal,
    };
    // An alias is not looked for in what it stands for; it may have been changed meanwhile.
    shell.aliases.entry(name).or_insert(text);
    Some(flow)
}

/// Shows what `set -x` shows.
pub async fn trace(shell: &Shell, text: &str) {
    let ps4 = shell.get("PS4").unwrap_or_default();
    let first: String = ps4.chars().take(1).collect();
    let more = if shell.is_bash() { first.repeat(shell.trace_level.min(100)) } else { String::new() };
    let text = if shell.is_bash() { text.to_owned() } else { text.replace('\'', "") };
    shell.p.eprint(format!("{more}{ps4}{text}\n")).await;
}

async fn assign_all(shell: &mut Shell, assignments: &[&Assignment]) -> Flow {
    for a in assignments {
        if let Err(e) = assign(shell, a).await {
            return word::failed(shell, e).await;
        }
    }
    shell.status = shell.substituted.unwrap_or(0);
    Flow::Normal
}

async fn assign(shell: &mut Shell, a: &Assignment) -> Result<(), word::Failure> {
    match (&a.name, &a.value) {
        (AssignmentName::VariableName(name), AssignmentValue::Scalar(w)) => {
            let value = word::assigned(shell, &w.value).await?;
            trace_assignment(shell, a, &value).await;
            let value = appended(shell, name, None, a.append, value)?;
            Ok(shell.set(name, value)?)
        }
        (AssignmentName::ArrayElementName(name, index), AssignmentValue::Scalar(w)) => {
            let index = word::arithmetic(shell, index).await?;
            let value = word::assigned(shell, &w.value).await?;
            trace_assignment(shell, a, &value).await;
            let value = appended(shell, name, Some(&index), a.append, value)?;
            Ok(arith::set_element(shell, name, &index, value)?)
        }
        (AssignmentName::VariableName(name), AssignmentValue::Array(items)) => {
            if shell.options.xtrace {
                let items: Vec<String> = items.iter().map(|(_, w)| w.value.clone()).collect();
                trace(shell, &format!("{name}=({})", items.join(" "))).await;
            }
            let name = shell.meant(name);
            if matches!(shell.variables.get(&name).map(|v| &v.value), Some(Value::Assoc(_))) {
                return fill_assoc(shell, &name, a.append, items).await;
            }
            fill_array(shell, &name, a.append, items).await
        }
        (AssignmentName::ArrayElementName(name, _), AssignmentValue::Array(_)) => {
            Err(format!("{name}: cannot assign list to array member").into())
        }
    }
}

async fn trace_assignment(shell: &Shell, a: &Assignment, value: &str) {
    if shell.options.xtrace {
        let op = if a.append { "+=" } else { "=" };
        let value = if value.is_empty() { String::new() } else { quote::word(value) };
        trace(shell, &format!("{}{op}{value}", a.name)).await;
    }
}

/// What `+=` makes of a value.
fn appended(
    shell: &mut Shell,
    name: &str,
    index: Option<&str>,
    append: bool,
    value: String,
) -> Result<String, String> {
    if !append {
        return Ok(value);
    }
    let before = match index {
        Some(index) => arith::element(shell, name, index)?,
        None => shell.get(name),
    };
    let before = before.unwrap_or_default();
    if shell.variables.get(&shell.meant(name)).is_some_and(|v| v.integer) {
        return Ok(format!("({before})+({value})"));
    }
    Ok(before + &value)
}

async fn fill_array(
    shell: &mut Shell,
    name: &str,
    append: bool,
    items: &[(Option<Word>, Word)],
) -> Result<(), word::Failure> {
    let mut all = match shell.variables.get(name).map(|v| &v.value) {
        Some(Value::Array(all)) if append => all.clone(),
        Some(Value::Text(text)) if append => [(0, text.clone())].into(),
        _ => BTreeMap::new(),
    };
    let mut next = all.keys().next_back().map_or(0, |n| n + 1);
    for (index, w) in items {
        if let Some(index) = index {
            next = arith::evaluate(shell, &index.value).await?;
            let value = word::assigned(shell, &w.value).await?;
            all.insert(next, shell.converted(name, value)?);
            next += 1;
            continue;
        }
        for value in word::fields(shell, std::slice::from_ref(w)).await? {
            all.insert(next, shell.converted(name, value)?);
            next += 1;
        }
    }
    shell.changeable(name)?.value = Value::Array(all);
    Ok(())
}

async fn fill_assoc(
    shell: &mut Shell,
    name: &str,
    append: bool,
    items: &[(Option<Word>, Word)],
) -> Result<(), word::Failure> {
    let mut all = match shell.variables.get(name).map(|v| &v.value) {
        Some(Value::Assoc(all)) if append => all.clone(),
        _ => Assoc::default(),
    };
    // Without brackets, keys and values stand in turn.
    let mut key: Option<String> = None;
    for (index, w) in items {
        let value = word::assigned(shell, &w.value).await?;
        match (index, key.take()) {
            (Some(index), _) => {
                let index = word::text(shell, &index.value).await?;
                all.insert(index, shell.converted(name, value)?);
            }
            (None, Some(key)) => all.insert(key, value),
            (None, None) => key = Some(value),
        }
    }
    if let Some(key) = key {
        all.insert(key, String::new());
    }
    shell.changeable(name)?.value = Value::Assoc(all);
    Ok(())
}

/// An assignment in front of a command holds for it alone; notes what to put back.
async fn temporary(
    shell: &mut Shell,
    a: &Assignment,
    saved: &mut Vec<(String, Option<Variable>)>,
) -> Result<(), word::Failure> {
    let (AssignmentName::VariableName(name) | AssignmentName::ArrayElementName(name, _)) = &a.name;
    let before = shell.variables.get(name).cloned();
    assign(shell, a).await?;
    saved.push((name.clone(), before));
    if let Some(v) = shell.variables.get_mut(name) {
        v.exported = true;
    }
    Ok(())
}

/// Calls a function, a builtin or a program; `text` is the command as it was written.
async fn call(shell: &mut Shell, argv: &[String], text: impl FnOnce() -> String) -> Flow {
    let name = argv[0].as_str();
    if let Some(f) = shell.functions.get(name).cloned() {
        return function(shell, argv, &f).await;
    }
    match builtin::find(name).filter(|b| builtin::is_known(shell, name, *b)) {
        Some(which) => {
            shell.may_become = false;
            builtin::run(shell, which, argv).await
        }
        None => program(shell, argv, text).await,
    }
}

async fn function(shell: &mut Shell, argv: &[String], f: &Function) -> Flow {
    if shell.depth >= DEEPEST {
        let text = format!("{}: maximum function nesting level exceeded ({DEEPEST})", argv[0]);
        shell.complain(&text).await;
        shell.status = 1;
        return shell.discard();
    }
    shell.may_become = false;
    let positional = std::mem::replace(&mut shell.positional, argv[1..].to_vec());
    let source = std::mem::replace(&mut shell.source, f.source.clone());
    let before = (shell.loops, shell.line_base, shell.line);
    (shell.loops, shell.line_base) = (0, f.line_base);
    shell.depth += 1;
    shell.calls.push(argv[0].as_str().into());
    shell.locals.push(Vec::new());
    let flow = if shell.depth.is_multiple_of(HOP) {
        let body = f.body.clone();
        shell.apart(async move |inner| run::with_redirects(inner, &body.0, body.1.as_ref()).await).await
    } else {
        Box::pin(run::with_redirects(shell, &f.body.0, f.body.1.as_ref())).await
    };
    for (name, old) in shell.locals.pop().unwrap_or_default().into_iter().rev() {
        match old {
            Some(v) => shell.variables.insert(name, v),
            None => shell.variables.remove(&name),
        };
    }
    shell.calls.pop();
    shell.depth -= 1;
    (shell.loops, shell.line_base, shell.line) = before;
    shell.source = source;
    shell.positional = positional;
    match flow {
        Flow::Return(status) => {
            shell.status = status;
            Flow::Normal
        }
        Flow::Exit(_) | Flow::Discard => flow,
        _ => Flow::Normal,
    }
}

/// Runs a program and waits for it.
pub async fn program(shell: &mut Shell, argv: &[String], text: impl FnOnce() -> String) -> Flow {
    let may_become = std::mem::take(&mut shell.may_become) && shell.traps.is_empty();
    let path = match find(shell, &argv[0]).await {
        Ok(path) => path,
        Err(status) => {
            shell.status = status;
            return Flow::Normal;
        }
    };
    if may_become {
        shell.status = become_program(shell, &path, argv).await;
        return Flow::Normal;
    }
    shell.status = match start(shell, &path, argv).await {
        Ok(child) => {
            let status = child.wait().await;
            run::tell_of_signal(shell, &child, text).await;
            status
        }
        Err(status) => status,
    };
    Flow::Normal
}

/// The shell's process becomes a program, and ends with it.
pub async fn become_program(shell: &mut Shell, path: &str, argv: &[String]) -> i32 {
    shell.p.set_env(shell.environment(path));
    let own: Vec<Rc<str>> = argv.iter().map(|a| a.as_str().into()).collect();
    match shell.p.exec(path, &own).await {
        Ok(status) => status,
        Err(Errno::ENOEXEC) => {
            let script = as_script(shell, path, argv);
            match shell.p.exec(own_program(shell), &script).await {
                Ok(status) => status,
                Err(e) => refuse(shell, &argv[0], path, e).await,
            }
        }
        Err(e) => refuse(shell, &argv[0], path, e).await,
    }
}

/// A text that is no program and names no interpreter is a script of the shell's own.
fn as_script(shell: &Shell, path: &str, argv: &[String]) -> Vec<Rc<str>> {
    let own = [own_program(shell), path].map(Rc::from);
    own.into_iter().chain(argv[1..].iter().map(|a| a.as_str().into())).collect()
}

fn own_program(shell: &Shell) -> &'static str {
    if shell.is_bash() { "/bin/bash" } else { "/bin/sh" }
}

/// Finds a program, or says that there is none and gives the status.
pub async fn find(shell: &mut Shell, name: &str) -> Result<String, i32> {
    let path = shell.get("PATH");
    if shell.p.var("PATH").as_deref() != path.as_deref() {
        shell.p.set_var("PATH", path.as_deref());
    }
    let nowhere = !name.contains('/') && path.as_deref().is_none_or(str::is_empty);
    let found = if name.is_empty() || nowhere { Err(Errno::ENOENT) } else { shell.p.find_program(name) };
    let shown = if name.chars().any(char::is_control) { quote::double(name) } else { name.to_owned() };
    match found {
        Ok(path) => {
            if shell.p.stat(&path, true).is_ok_and(|s| s.is_dir()) {
                shell.say(&format!("{shown}: Is a directory"), &format!("{shown}: Permission denied")).await;
                return Err(126);
            }
            Ok(path)
        }
        Err(Errno::ENOENT) if nowhere && !name.is_empty() => {
            shell.say(&format!("{shown}: No such file or directory"), &format!("{shown}: not found")).await;
            Err(127)
        }
        Err(Errno::ENOENT) if !name.contains('/') => {
            shell.say(&format!("{shown}: command not found"), &format!("{shown}: not found")).await;
            Err(127)
        }
        Err(e) => Err(refuse(shell, &shown, name, e).await),
    }
}

/// Says why a program does not start; gives the status.
async fn refuse(shell: &Shell, name: &str, path: &str, e: Errno) -> i32 {
    let is_dir = shell.p.stat(path, true).is_ok_and(|s| s.is_dir());
    let (bash, dash, status) = match e {
        Errno::ENOENT if shell.p.exists(path) => {
            (format!("{name}: cannot execute: required file not found"), format!("{name}: not found"), 127)
        }
        Errno::ENOENT => (format!("{name}: No such file or directory"), format!("{name}: not found"), 127),
        Errno::EACCES if is_dir => {
            (format!("{name}: Is a directory"), format!("{name}: Permission denied"), 126)
        }
        e => (format!("{name}: {e}"), format!("{name}: {e}"), 126),
    };
    shell.say(&bash, &dash).await;
    status
}

async fn start(shell: &mut Shell, path: &str, argv: &[String]) -> Result<Child, i32> {
    let mut begin = Start::new(argv);
    begin.env = Some(shell.environment(path));
    match shell.p.spawn(path, begin) {
        Ok(child) => Ok(child),
        Err(Errno::ENOEXEC) => {
            let mut again = Start { argv: as_script(shell, path, argv), ..Start::default() };
            again.env = Some(shell.environment(path));
            match shell.p.spawn(own_program(shell), again) {
                Ok(child) => Ok(child),
                Err(e) => Err(refuse(shell, &argv[0], path, e).await),
            }
        }
        Err(e) => Err(refuse(shell, &argv[0], path, e).await),
    }
}

/// Runs a command by its name, past functions: a builtin or a program.
pub async fn past_functions(shell: &mut Shell, argv: &[String]) -> Flow {
    match argv.first().and_then(|n| builtin::find(n)).filter(|b| builtin::is_known(shell, &argv[0], *b)) {
        Some(which) => builtin::run(shell, which, argv).await,
        None if argv.is_empty() => Flow::Normal,
        None => program(shell, argv, || argv.join(" ")).await,
    }
}

//! Running the tree: lists, pipelines, compound commands.

use super::state::{Function, Shell};
use super::variable::is_name;
use super::{arith, condition, pattern, redirect, simple, trap, word};
use crate::world::exec::{Child, Signal};
use crate::world::process::{STDIN, STDOUT};
use brush_parser::ast::{
    AndOr, AndOrList, ArithmeticForClauseCommand, CaseClauseCommand, CaseItemPostAction, Command,
    CompoundCommand, CompoundList, ForClauseCommand, IfClauseCommand, IoRedirect, Pipeline, PipelineTimed,
    Program, RedirectList, SeparatorOperator, SourceLocation,
};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

/// How far a command goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// To its end.
    Normal,
    /// Out of this many loops.
    Break(usize),
    /// To the next round of the nth loop.
    Continue(usize),
    /// Out of the function.
    Return(i32),
    /// Out of the line, after an error; the script goes on behind it.
    Discard,
    /// Out of the shell.
    Exit(i32),
}

/// A future that may run itself again deeper down.
pub type Running<'a> = Pin<Box<dyn Future<Output = Flow> + 'a>>;

/// Runs a script.
pub async fn program(shell: &mut Shell, program: &Program) -> Flow {
    shell.may_become &= is_single(program);
    for list in &program.complete_commands {
        match run_list(shell, list).await {
            Flow::Normal => {}
            Flow::Discard if shell.level == 0 => {
                shell.status = 1;
                shell.tested = 0;
            }
            Flow::Discard => return Flow::Exit(1),
            flow => return flow,
        }
    }
    Flow::Normal
}

/// Is it nothing but one command?
fn is_single(program: &Program) -> bool {
    let [list] = program.complete_commands.as_slice() else { return false };
    let [item] = list.0.as_slice() else { return false };
    let first = &item.0.first;
    item.0.additional.is_empty() && first.seq.len() == 1 && !first.bang && first.timed.is_none()
}

/// Runs a list of commands.
pub fn run_list<'a>(shell: &'a mut Shell, list: &'a CompoundList) -> Running<'a> {
    Box::pin(async move {
        for item in &list.0 {
            if shell.options.noexec {
                return Flow::Normal;
            }
            shell.step().await;
            let flow = if matches!(item.1, SeparatorOperator::Async) {
                background(shell, &item.0).await;
                Flow::Normal
            } else {
                and_or(shell, &item.0).await
            };
            if flow != Flow::Normal {
                return flow;
            }
        }
        Flow::Normal
    })
}

async fn background(shell: &mut Shell, list: &AndOrList) {
    let text = list.to_string();
    let (list, base) = (list.clone(), shell.clone());
    let null = crate::world::open::Open::null(shell.p.host());
    let child = shell.p.fork(async move |p| {
        p.to_background();
        p.set_fd(STDIN, Some(null));
        let mut inner = base.subshell(p);
        inner.may_become = list.additional.is_empty() && list.first.seq.len() == 1;
        let flow = and_or(&mut inner, &list).await;
        finish(&mut inner, flow).await
    });
    shell.add_job(child, text);
    shell.tell_of_new_job().await;
    shell.status = 0;
}

/// Ends a subshell: runs its EXIT trap and gives its status.
pub async fn finish(shell: &mut Shell, flow: Flow) -> i32 {
    shell.status = match flow {
        Flow::Exit(status) | Flow::Return(status) => status & 255,
        Flow::Discard => 1,
        _ => shell.status,
    };
    trap::at_exit(shell).await;
    shell.status & 255
}

async fn and_or(shell: &mut Shell, list: &AndOrList) -> Flow {
    let last = list.additional.len();
    let mut flow = part(shell, &list.first, last > 0).await;
    for (n, next) in list.additional.iter().enumerate() {
        if flow != Flow::Normal {
            return flow;
        }
        let (wanted, next) = match next {
            AndOr::And(next) => (shell.status == 0, next),
            AndOr::Or(next) => (shell.status != 0, next),
        };
        if wanted {
            flow = part(shell, next, n + 1 < last).await;
        }
    }
    flow
}

/// A pipeline of an and-or list; the failure of one that is `tested` does not end the script.
async fn part(shell: &mut Shell, next: &Pipeline, tested: bool) -> Flow {
    shell.tested += usize::from(tested);
    let flow = pipeline(shell, next).await;
    shell.tested = shell.tested.saturating_sub(usize::from(tested));
    flow
}

async fn pipeline(shell: &mut Shell, pipeline: &Pipeline) -> Flow {
    let started = shell.p.now();
    shell.tested += usize::from(pipeline.bang);
    let flow = match pipeline.seq.as_slice() {
        [one] => {
            let flow = command(shell, one).await;
            shell.statuses = vec![shell.status];
            flow
        }
        all => piped(shell, all).await,
    };
    if let Some(timed) = &pipeline.timed {
        tell_time(shell, timed, (shell.p.now() - started).as_micros()).await;
    }
    if pipeline.bang {
        shell.tested = shell.tested.saturating_sub(1);
        shell.status = i32::from(shell.status == 0);
    }
    if let Some(flow) = trap::signals(shell).await {
        return flow;
    }
    if pipeline.bang || flow != Flow::Normal || shell.status == 0 || shell.tested > 0 {
        return flow;
    }
    let flow = trap::on_error(shell).await;
    if flow == Flow::Normal && shell.options.errexit { Flow::Exit(shell.status) } else { flow }
}

async fn tell_time(shell: &Shell, timed: &PipelineTimed, micros: u128) {
    let (seconds, millis) = (micros / 1_000_000, micros / 1000 % 1000);
    let text = match timed {
        PipelineTimed::TimedWithPosixOutput(_) => {
            format!("real {seconds}.{:02}\nuser 0.00\nsys 0.00\n", millis / 10)
        }
        PipelineTimed::Timed(_) => {
            let (minutes, seconds) = (seconds / 60, seconds % 60);
            format!("\nreal\t{minutes}m{seconds}.{millis:03}s\nuser\t0m0.000s\nsys\t0m0.000s\n")
        }
    };
    shell.p.eprint(text).await;
}

/// Every command of a pipeline is a process of its own.
async fn piped(shell: &mut Shell, all: &[Command]) -> Flow {
    let mut children: Vec<Child> = Vec::new();
    let mut input = None;
    for (n, one) in all.iter().enumerate() {
        let (next_input, output) = if n + 1 < all.len() {
            let (reader, writer) = shell.p.pipe();
            (Some(reader), Some(writer))
        } else {
            (None, None)
        };
        let (one, base, stdin) = (one.clone(), shell.clone(), input.take());
        children.push(shell.p.fork(async move |p| {
            if let Some(open) = stdin {
                p.set_fd(STDIN, Some(open));
            }
            if let Some(open) = output {
                p.set_fd(STDOUT, Some(open));
            }
            let mut inner = base.subshell(p);
            inner.may_become = true;
            let flow = command(&mut inner, &one).await;
            finish(&mut inner, flow).await
        }));
        input = next_input;
    }
    let mut statuses = Vec::new();
    for child in &children {
        statuses.push(child.wait().await);
    }
    if let Some(last) = children.last() {
        let text = || all.iter().map(|c| c.to_string()).collect::<Vec<_>>().join(" | ");
        tell_of_signal(shell, last, text).await;
    }
    shell.status = statuses.last().copied().unwrap_or(0);
    if shell.options.pipefail && shell.status == 0 {
        shell.status = statuses.iter().rev().copied().find(|s| *s != 0).unwrap_or(0);
    }
    shell.statuses = statuses;
    Flow::Normal
}

/// Says that a foreground command was ended by a signal.
pub async fn tell_of_signal(shell: &Shell, child: &Child, text: impl FnOnce() -> String) {
    let Some(signal) = child.signal() else { return };
    let said = match signal {
        Signal::Int | Signal::Pipe => return,
        Signal::Term if shell.is_bash() => "Terminated\n".to_owned(),
        signal if shell.is_bash() => format!(
            "{}: line {}: {:5} {:<23} {}\n",
            shell.source,
            shell.line.max(1),
            child.process().pid(),
            described(signal),
            text()
        ),
        signal => format!("{}\n", described(signal)),
    };
    shell.p.eprint(said).await;
}

/// What strsignal(3) says.
fn described(signal: Signal) -> &'static str {
    match signal {
        Signal::Hup => "Hangup",
        Signal::Int => "Interrupt",
        Signal::Quit => "Quit",
        Signal::Abrt => "Aborted",
        Signal::Bus => "Bus error",
        Signal::Fpe => "Floating point exception",
        Signal::Segv => "Segmentation fault",
        Signal::Kill => "Killed",
        Signal::Usr1 => "User defined signal 1",
        Signal::Usr2 => "User defined signal 2",
        Signal::Pipe => "Broken pipe",
        Signal::Alrm => "Alarm clock",
        Signal::Term => "Terminated",
    }
}

/// Says which jobs a signal has ended, as a shell does between two commands.
pub async fn tell_of_jobs(shell: &mut Shell) {
    let bash = shell.is_bash();
    for n in 0..shell.jobs.len() {
        let job = &mut shell.jobs[n];
        if job.told || job.child.status().is_none() {
            continue;
        }
        job.told = true;
        if job.child.signal().is_some_and(|s| s != Signal::Term) && bash {
            let (child, text) = (job.child.clone(), job.text.clone());
            tell_of_signal(shell, &child, || text).await;
        }
    }
}

/// Runs one command.
pub fn command<'a>(shell: &'a mut Shell, command: &'a Command) -> Running<'a> {
    Box::pin(async move {
        let line = match command {
            Command::Simple(simple) => simple::line_of(simple),
            other => other.location().map(|at| at.start.line),
        };
        if let Some(line) = line {
            shell.line = line + shell.line_base;
        }
        if !shell.jobs.is_empty() {
            tell_of_jobs(shell).await;
        }
        match command {
            Command::Simple(simple) => simple::run(shell, simple).await,
            Command::Function(f) => {
                let body = Rc::new(f.body.clone());
                let function =
                    Function { body, source: shell.defines_in.clone(), line_base: shell.line_base };
                shell.functions.insert(f.fname.value.clone(), function);
                shell.status = 0;
                Flow::Normal
            }
            Command::Compound(compound, redirects) => {
                shell.may_become = false;
                with_redirects(shell, compound, redirects.as_ref()).await
            }
            Command::ExtendedTest(test, redirects) => {
                let before = match enter(shell, redirects.as_ref()).await {
                    Ok(before) => before,
                    Err(flow) => return flow,
                };
                match condition::extended(shell, &test.expr).await {
                    Ok(yes) => shell.status = i32::from(!yes),
                    Err(e) if e.text.is_empty() => shell.status = 2,
                    Err(e) => {
                        shell.complain(&e.text).await;
                        shell.status = 1;
                        if !e.text.starts_with("[[") {
                            leave(shell, before);
                            return if e.fatal { shell.fatal() } else { shell.discard() };
                        }
                    }
                }
                leave(shell, before);
                Flow::Normal
            }
        }
    })
}

type Descriptors = std::collections::BTreeMap<i32, Rc<crate::world::open::Open>>;

/// Carries the redirections around a compound command out; gives what to put back.
async fn enter(shell: &mut Shell, redirects: Option<&RedirectList>) -> Result<Option<Descriptors>, Flow> {
    let Some(redirects) = redirects else { return Ok(None) };
    let before = shell.p.fds();
    let all: Vec<&IoRedirect> = redirects.0.iter().collect();
    if let Err(e) = redirect::apply_all(shell, &all).await {
        shell.put_back(before);
        shell.complain(&e).await;
        shell.status = if shell.is_bash() { 1 } else { 2 };
        return Err(Flow::Normal);
    }
    Ok(Some(before))
}

fn leave(shell: &mut Shell, before: Option<Descriptors>) {
    if let Some(before) = before {
        shell.put_back(before);
    }
}

/// Runs a compound command with its redirections around it.
pub async fn with_redirects(
    shell: &mut Shell,
    compound: &CompoundCommand,
    redirects: Option<&RedirectList>,
) -> Flow {
    let before = match enter(shell, redirects).await {
        Ok(before) => before,
        Err(flow) => return flow,
    };
    let flow = run_compound(shell, compound).await;
    leave(shell, before);
    flow
}

async fn run_compound(shell: &mut Shell, compound: &CompoundCommand) -> Flow {
    match compound {
        CompoundCommand::BraceGroup(group) => run_list(shell, &group.list).await,
        CompoundCommand::Subshell(sub) => {
            let (list, base) = (sub.list.clone(), shell.clone());
            let tested = shell.tested;
            let child = shell.p.fork(async move |p| {
                let mut inner = base.subshell(p);
                inner.tested = tested;
                let flow = run_list(&mut inner, &list).await;
                finish(&mut inner, flow).await
            });
            shell.status = child.wait().await;
            tell_of_signal(shell, &child, || compound.to_string()).await;
            Flow::Normal
        }
        CompoundCommand::IfClause(clause) => run_if(shell, clause).await,
        CompoundCommand::WhileClause(w) => run_while(shell, &w.0, &w.1.list, true).await,
        CompoundCommand::UntilClause(w) => run_while(shell, &w.0, &w.1.list, false).await,
        CompoundCommand::ForClause(clause) => run_for(shell, clause).await,
        CompoundCommand::CaseClause(clause) => run_case(shell, clause).await,
        CompoundCommand::Arithmetic(a) => {
            match in_parentheses(shell, &a.expr.value).await {
                Ok(n) => shell.status = i32::from(n == 0),
                Err(flow) => return flow,
            }
            Flow::Normal
        }
        CompoundCommand::ArithmeticForClause(clause) => counted(shell, clause).await,
        CompoundCommand::Coprocess(_) => {
            shell.complain("coproc: not available in the lab").await;
            shell.status = 1;
            Flow::Normal
        }
    }
}

/// `((…))`; an error is told of, and is no more than a failure.
async fn in_parentheses(shell: &mut Shell, text: &str) -> Result<i64, Flow> {
    if shell.options.xtrace {
        simple::trace(shell, &format!("(( {text} ))")).await;
    }
    let expanded = match word::arithmetic(shell, text).await {
        Ok(text) => text,
        Err(e) => return Err(word::failed(shell, e).await),
    };
    match arith::number(shell, &expanded) {
        Ok(n) => Ok(n),
        Err(e) => {
            shell.complain(&format!("((: {e}")).await;
            shell.status = 1;
            Err(Flow::Normal)
        }
    }
}

/// A list whose failure does not end the script.
async fn tested(shell: &mut Shell, list: &CompoundList) -> Flow {
    shell.tested += 1;
    let flow = run_list(shell, list).await;
    shell.tested = shell.tested.saturating_sub(1);
    flow
}

async fn run_if(shell: &mut Shell, clause: &IfClauseCommand) -> Flow {
    let elses = clause.elses.iter().flatten().map(|e| (e.condition.as_ref(), &e.body));
    for (condition, body) in std::iter::once((Some(&clause.condition), &clause.then)).chain(elses) {
        if let Some(condition) = condition {
            let flow = tested(shell, condition).await;
            if flow != Flow::Normal {
                return flow;
            }
            if shell.status != 0 {
                continue;
            }
        }
        return run_list(shell, body).await;
    }
    shell.status = 0;
    Flow::Normal
}

/// Runs the body of a loop once; an error is how the loop ends.
async fn round(shell: &mut Shell, body: &CompoundList) -> Result<(), Flow> {
    shell.step().await;
    shell.loops += 1;
    let flow = run_list(shell, body).await;
    shell.loops -= 1;
    match flow {
        Flow::Normal | Flow::Continue(1) => Ok(()),
        Flow::Break(1) => Err(Flow::Normal),
        Flow::Break(n) => Err(Flow::Break(n - 1)),
        Flow::Continue(n) => Err(Flow::Continue(n - 1)),
        flow => Err(flow),
    }
}

async fn run_while(shell: &mut Shell, condition: &CompoundList, body: &CompoundList, wanted: bool) -> Flow {
    let mut status = 0;
    loop {
        shell.loops += 1;
        let flow = tested(shell, condition).await;
        shell.loops -= 1;
        match flow {
            Flow::Normal => {}
            Flow::Break(1) => return Flow::Normal,
            Flow::Break(n) => return Flow::Break(n - 1),
            Flow::Continue(1) => continue,
            Flow::Continue(n) => return Flow::Continue(n - 1),
            flow => return flow,
        }
        if (shell.status == 0) != wanted {
            shell.status = status;
            return Flow::Normal;
        }
        if let Err(flow) = round(shell, body).await {
            return flow;
        }
        status = shell.status;
    }
}

async fn run_for(shell: &mut Shell, clause: &ForClauseCommand) -> Flow {
    let name = &clause.variable_name;
    if !is_name(name) {
        shell.complain(&format!("`{name}': not a valid identifier")).await;
        shell.status = 1;
        return Flow::Normal;
    }
    let values = match &clause.values {
        None => shell.positional.clone(),
        Some(words) => match word::fields(shell, words).await {
            Ok(values) => values,
            Err(e) => return word::failed(shell, e).await,
        },
    };
    shell.status = 0;
    let line = shell.line;
    for value in values {
        if shell.options.xtrace {
            let words = clause.values.iter().flatten().map(|w| w.value.as_str());
            let words: Vec<&str> = if clause.values.is_some() { words.collect() } else { vec!["\"$@\""] };
            simple::trace(shell, &format!("for {name} in {}", words.join(" "))).await;
        }
        if let Err(e) = shell.set(name, value) {
            shell.line = line;
            shell.complain(&e).await;
            shell.status = 1;
            return if shell.is_bash() { Flow::Normal } else { shell.discard() };
        }
        if let Err(flow) = round(shell, &clause.body.list).await {
            return flow;
        }
    }
    Flow::Normal
}

async fn counted(shell: &mut Shell, clause: &ArithmeticForClauseCommand) -> Flow {
    let part = |e: &Option<brush_parser::ast::UnexpandedArithmeticExpr>| {
        e.as_ref().map(|e| e.value.trim().to_owned()).filter(|e| !e.is_empty())
    };
    let (first, test, next) = (part(&clause.initializer), part(&clause.condition), part(&clause.updater));
    let mut step = first;
    let line = shell.line;
    shell.status = 0;
    let mut status = 0;
    loop {
        shell.line = line;
        if let Some(text) = &step
            && let Err(flow) = in_parentheses(shell, text).await
        {
            return flow;
        }
        if let Some(text) = &test {
            match in_parentheses(shell, text).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(flow) => return flow,
            }
        }
        if let Err(flow) = round(shell, &clause.body.list).await {
            return flow;
        }
        status = shell.status;
        step.clone_from(&next);
    }
    shell.status = status;
    Flow::Normal
}

async fn run_case(shell: &mut Shell, clause: &CaseClauseCommand) -> Flow {
    if shell.options.xtrace {
        simple::trace(shell, &format!("case {} in", clause.value.value)).await;
    }
    let value = match word::text(shell, &clause.value.value).await {
        Ok(value) => value,
        Err(e) => return word::failed(shell, e).await,
    };
    shell.status = 0;
    let mut through = false;
    for case in &clause.cases {
        let mut hit = through;
        for p in &case.patterns {
            if hit {
                break;
            }
            hit = match word::as_pattern(shell, &p.value).await {
                Ok(p) => pattern::matches(&p, &value),
                Err(e) => return word::failed(shell, e).await,
            };
        }
        if !hit {
            continue;
        }
        if let Some(list) = &case.cmd {
            let flow = run_list(shell, list).await;
            if flow != Flow::Normal {
                return flow;
            }
        }
        match case.post_action {
            CaseItemPostAction::ExitCase => return Flow::Normal,
            CaseItemPostAction::UnconditionallyExecuteNextCaseItem => through = true,
            CaseItemPostAction::ContinueEvaluatingCases => through = false,
        }
    }
    Flow::Normal
}

//! Running the tree: lists, pipelines, compound commands.

use super::state::Shell;
use super::{arith, condition, pattern, redirect, simple, word};
use brush_parser::ast::{
    AndOr, AndOrList, CaseClauseCommand, CaseItemPostAction, Command, CompoundCommand, CompoundList,
    ForClauseCommand, IfClauseCommand, Pipeline, Program, RedirectList, SeparatorOperator, SourceLocation,
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
    /// Out of the shell.
    Exit(i32),
}

/// A future that may run itself again deeper down.
pub type Running<'a> = Pin<Box<dyn Future<Output = Flow> + 'a>>;

/// Runs a script.
pub async fn program(shell: &mut Shell, program: &Program) -> Flow {
    for list in &program.complete_commands {
        match run_list(shell, list).await {
            Flow::Normal => {}
            flow => return flow,
        }
    }
    Flow::Normal
}

/// Runs a list of commands.
pub fn run_list<'a>(shell: &'a mut Shell, list: &'a CompoundList) -> Running<'a> {
    Box::pin(async move {
        for item in &list.0 {
            shell.step().await;
            let flow = if matches!(item.1, SeparatorOperator::Async) {
                background(shell, &item.0);
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

fn background(shell: &mut Shell, list: &AndOrList) {
    let (list, mut inner) = (list.clone(), shell.clone());
    let null = crate::world::open::Open::null(shell.p.host());
    let child = shell.p.fork(async move |p| {
        p.set_fd(crate::world::process::STDIN, Some(null));
        inner.p = p;
        let flow = and_or(&mut inner, &list).await;
        end_of(&inner, flow)
    });
    shell.last_background = Some(child.process().pid());
    shell.jobs.push(child);
    shell.status = 0;
}

/// The exit status of a subshell.
pub fn end_of(shell: &Shell, flow: Flow) -> i32 {
    match flow {
        Flow::Exit(status) | Flow::Return(status) => status & 255,
        _ => shell.status,
    }
}

async fn and_or(shell: &mut Shell, list: &AndOrList) -> Flow {
    let last = list.additional.len();
    let tested = |shell: &mut Shell, n: usize, more: bool| {
        let guard = n < last;
        if guard {
            shell.tested = if more { shell.tested + 1 } else { shell.tested - 1 };
        }
    };
    tested(shell, 0, true);
    let mut flow = pipeline(shell, &list.first).await;
    tested(shell, 0, false);
    for (n, next) in list.additional.iter().enumerate() {
        if flow != Flow::Normal {
            return flow;
        }
        let (wanted, next) = match next {
            AndOr::And(next) => (shell.status == 0, next),
            AndOr::Or(next) => (shell.status != 0, next),
        };
        if wanted {
            tested(shell, n + 1, true);
            flow = pipeline(shell, next).await;
            tested(shell, n + 1, false);
        }
    }
    flow
}

async fn pipeline(shell: &mut Shell, pipeline: &Pipeline) -> Flow {
    if pipeline.bang {
        shell.tested += 1;
    }
    let flow = match pipeline.seq.as_slice() {
        [one] => command(shell, one).await,
        all => piped(shell, all).await,
    };
    if pipeline.bang {
        shell.tested -= 1;
        shell.status = i32::from(shell.status == 0);
        return flow;
    }
    if flow == Flow::Normal && shell.options.errexit && shell.status != 0 && shell.tested == 0 {
        return Flow::Exit(shell.status);
    }
    flow
}

/// Every command of a pipeline is a process of its own.
async fn piped(shell: &mut Shell, all: &[Command]) -> Flow {
    use crate::world::process::{STDIN, STDOUT};
    let mut children = Vec::new();
    let mut input = None;
    for (n, one) in all.iter().enumerate() {
        let (next_input, output) = if n + 1 < all.len() {
            let (reader, writer) = shell.p.pipe();
            (Some(reader), Some(writer))
        } else {
            (None, None)
        };
        let (one, mut inner, stdin) = (one.clone(), shell.clone(), input.take());
        children.push(shell.p.fork(async move |p| {
            if let Some(open) = stdin {
                p.set_fd(STDIN, Some(open));
            }
            if let Some(open) = output {
                p.set_fd(STDOUT, Some(open));
            }
            inner.p = p;
            inner.traps.clear();
            let flow = command(&mut inner, &one).await;
            end_of(&inner, flow)
        }));
        input = next_input;
    }
    let mut failed = 0;
    for child in &children {
        let status = child.wait().await;
        if status != 0 {
            failed = status;
        }
        shell.status = status;
    }
    if shell.options.pipefail && failed != 0 {
        shell.status = failed;
    }
    Flow::Normal
}

/// Runs one command.
pub fn command<'a>(shell: &'a mut Shell, command: &'a Command) -> Running<'a> {
    Box::pin(async move {
        if let Some(at) = command.location() {
            shell.line = at.start.line;
        }
        match command {
            Command::Simple(simple) => simple::run(shell, simple).await,
            Command::Function(f) => {
                shell.functions.insert(f.fname.value.clone(), Rc::new(f.body.clone()));
                shell.status = 0;
                Flow::Normal
            }
            Command::Compound(compound, redirects) => {
                with_redirects(shell, compound, redirects.as_ref()).await
            }
            Command::ExtendedTest(test, _) => {
                match condition::extended(shell, &test.expr).await {
                    Ok(yes) => shell.status = i32::from(!yes),
                    Err(e) => {
                        shell.complain(&e).await;
                        shell.status = 2;
                    }
                }
                Flow::Normal
            }
        }
    })
}

/// Runs a compound command with its redirections around it.
pub async fn with_redirects(
    shell: &mut Shell,
    compound: &CompoundCommand,
    redirects: Option<&RedirectList>,
) -> Flow {
    let Some(redirects) = redirects else { return run_compound(shell, compound).await };
    let before = shell.p.fds();
    for r in &redirects.0 {
        if let Err(e) = redirect::apply(shell, r).await {
            shell.complain(&e).await;
            shell.status = 1;
            shell.p.set_fds(before);
            return Flow::Normal;
        }
    }
    let flow = run_compound(shell, compound).await;
    shell.p.set_fds(before);
    flow
}

async fn run_compound(shell: &mut Shell, compound: &CompoundCommand) -> Flow {
    match compound {
        CompoundCommand::BraceGroup(group) => run_list(shell, &group.list).await,
        CompoundCommand::Subshell(sub) => {
            let (list, mut inner) = (sub.list.clone(), shell.clone());
            let child = shell.p.fork(async move |p| {
                inner.p = p;
                inner.traps.clear();
                let flow = run_list(&mut inner, &list).await;
                inner.status = end_of(&inner, flow);
                inner.run_trap("EXIT").await;
                inner.status
            });
            shell.status = child.wait().await;
            Flow::Normal
        }
        CompoundCommand::IfClause(clause) => run_if(shell, clause).await,
        CompoundCommand::WhileClause(w) => run_while(shell, &w.0, &w.1.list, true).await,
        CompoundCommand::UntilClause(w) => run_while(shell, &w.0, &w.1.list, false).await,
        CompoundCommand::ForClause(clause) => run_for(shell, clause).await,
        CompoundCommand::CaseClause(clause) => run_case(shell, clause).await,
        CompoundCommand::Arithmetic(a) => {
            match arith::evaluate(shell, &a.expr.value).await {
                Ok(n) => shell.status = i32::from(n == 0),
                Err(e) => {
                    shell.complain(&e).await;
                    shell.status = 1;
                }
            }
            Flow::Normal
        }
        CompoundCommand::ArithmeticForClause(clause) => {
            let part =
                |e: &Option<brush_parser::ast::UnexpandedArithmeticExpr>| e.as_ref().map(|e| e.value.clone());
            let (first, test, next) =
                (part(&clause.initializer), part(&clause.condition), part(&clause.updater));
            counted(shell, first, test, next, &clause.body.list).await
        }
        CompoundCommand::Coprocess(_) => {
            shell.complain("coproc: not available in the lab").await;
            shell.status = 1;
            Flow::Normal
        }
    }
}

async fn run_if(shell: &mut Shell, clause: &IfClauseCommand) -> Flow {
    let elses = clause.elses.iter().flatten().map(|e| (e.condition.as_ref(), &e.body));
    for (condition, body) in std::iter::once((Some(&clause.condition), &clause.then)).chain(elses) {
        if let Some(condition) = condition {
            shell.tested += 1;
            let flow = run_list(shell, condition).await;
            shell.tested -= 1;
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

/// What the end of a loop's body means for the loop: go on, or end with this.
fn after_round(flow: Flow) -> Result<(), Flow> {
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
        shell.step().await;
        shell.tested += 1;
        let flow = run_list(shell, condition).await;
        shell.tested -= 1;
        if flow != Flow::Normal {
            return after_round(flow).err().unwrap_or(Flow::Normal);
        }
        if (shell.status == 0) != wanted {
            shell.status = status;
            return Flow::Normal;
        }
        let flow = run_list(shell, body).await;
        status = shell.status;
        if let Err(flow) = after_round(flow) {
            return flow;
        }
    }
}

async fn run_for(shell: &mut Shell, clause: &ForClauseCommand) -> Flow {
    let values = match &clause.values {
        None => shell.positional.clone(),
        Some(words) => match word::fields(shell, words).await {
            Ok(values) => values,
            Err(e) => return word::failed(shell, e).await,
        },
    };
    shell.status = 0;
    for value in values {
        shell.step().await;
        if let Err(e) = shell.set(&clause.variable_name, value) {
            shell.complain(&e).await;
            shell.status = 1;
            return Flow::Normal;
        }
        let flow = run_list(shell, &clause.body.list).await;
        if let Err(flow) = after_round(flow) {
            return flow;
        }
    }
    Flow::Normal
}

async fn counted(
    shell: &mut Shell,
    first: Option<String>,
    test: Option<String>,
    next: Option<String>,
    body: &CompoundList,
) -> Flow {
    let mut part = first;
    loop {
        if let Some(text) = part
            && let Err(e) = arith::evaluate(shell, &text).await
        {
            shell.complain(&e).await;
            shell.status = 1;
            return Flow::Normal;
        }
        let go_on = match &test {
            Some(text) if !text.trim().is_empty() => arith::evaluate(shell, text).await.unwrap_or(0),
            _ => 1,
        };
        if go_on == 0 {
            return Flow::Normal;
        }
        shell.step().await;
        let flow = run_list(shell, body).await;
        if let Err(flow) = after_round(flow) {
            return flow;
        }
        part = next.clone();
    }
}

async fn run_case(shell: &mut Shell, clause: &CaseClauseCommand) -> Flow {
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

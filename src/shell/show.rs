//! Functions as bash shows them (`declare -f`, `type`): the tree, written out again.
//!
//! # Simplifications
//! Here-documents and coprocesses are shown as the parser library writes them.

use brush_parser::ast::{
    AndOr, AndOrList, CaseItemPostAction, Command, CompoundCommand, CompoundList, DoGroupCommand,
    FunctionBody, IoFileRedirectTarget as Target, IoRedirect, Pipeline, RedirectList, SeparatorOperator,
    SimpleCommand,
};
use brush_parser::ast::{CommandPrefixOrSuffixItem as Item, IoFileRedirectKind as Kind};

/// A function with its name.
pub fn function(name: &str, body: &FunctionBody) -> String {
    let mut out = format!("{name} () \n");
    let mut writer = Writer { out: &mut out, indent: 0 };
    match &body.0 {
        CompoundCommand::BraceGroup(group) => writer.braces(&group.list),
        other => {
            writer.push("{ \n");
            writer.indent = 4;
            writer.pad();
            writer.compound(other);
            writer.indent = 0;
            writer.push("\n}");
        }
    }
    writer.redirects(body.1.as_ref());
    out.push('\n');
    out
}

struct Writer<'a> {
    out: &'a mut String,
    indent: usize,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn pad(&mut self) {
        self.out.extend(std::iter::repeat_n(' ', self.indent));
    }

    fn line(&mut self, text: &str) {
        self.push("\n");
        self.pad();
        self.push(text);
    }

    fn braces(&mut self, list: &CompoundList) {
        self.push("{ \n");
        self.block(list, false);
        self.push("\n");
        self.pad();
        self.push("}");
    }

    /// A list one step further in; its last command ends with `;` where more of the clause follows.
    fn block(&mut self, list: &CompoundList, closed: bool) {
        self.indent += 4;
        for (n, item) in list.0.iter().enumerate() {
            if n > 0 {
                self.push("\n");
            }
            self.pad();
            self.and_or(&item.0);
            match item.1 {
                SeparatorOperator::Async => self.push(" &"),
                SeparatorOperator::Sequence if closed || n + 1 < list.0.len() => self.push(";"),
                SeparatorOperator::Sequence => {}
            }
        }
        self.indent -= 4;
    }

    /// A list on the line where it stands.
    fn inline(&mut self, list: &CompoundList) {
        for (n, item) in list.0.iter().enumerate() {
            self.and_or(&item.0);
            match item.1 {
                SeparatorOperator::Async => self.push(" & "),
                SeparatorOperator::Sequence if n + 1 < list.0.len() => self.push("; "),
                SeparatorOperator::Sequence => {}
            }
        }
    }

    fn and_or(&mut self, list: &AndOrList) {
        self.pipeline(&list.first);
        for next in &list.additional {
            match next {
                AndOr::And(p) => {
                    self.push(" && ");
                    self.pipeline(p);
                }
                AndOr::Or(p) => {
                    self.push(" || ");
                    self.pipeline(p);
                }
            }
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        if pipeline.timed.is_some() {
            self.push("time ");
        }
        if pipeline.bang {
            self.push("! ");
        }
        for (n, command) in pipeline.seq.iter().enumerate() {
            if n > 0 {
                self.push(" | ");
            }
            self.command(command);
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                self.compound(compound);
                self.redirects(redirects.as_ref());
            }
            Command::Function(f) => {
                self.push(&format!("function {} () \n", f.fname.value));
                self.pad();
                match &f.body.0 {
                    CompoundCommand::BraceGroup(group) => self.braces(&group.list),
                    other => self.compound(other),
                }
            }
            Command::ExtendedTest(test, redirects) => {
                self.push(&format!("[[ {} ]]", test.expr));
                self.redirects(redirects.as_ref());
            }
        }
    }

    fn simple(&mut self, simple: &SimpleCommand) {
        let prefix = simple.prefix.iter().flat_map(|p| &p.0);
        let suffix = simple.suffix.iter().flat_map(|s| &s.0);
        let mut words: Vec<String> = prefix.map(item).collect();
        words.extend(simple.word_or_name.iter().map(|w| w.value.clone()));
        words.extend(suffix.map(item));
        self.push(&words.join(" "));
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::BraceGroup(group) => self.braces(&group.list),
            CompoundCommand::Subshell(sub) => {
                self.push("( ");
                self.inline(&sub.list);
                self.push(" )");
            }
            CompoundCommand::IfClause(clause) => {
                self.push("if ");
                self.inline(&clause.condition);
                self.push("; then\n");
                self.block(&clause.then, true);
                for other in clause.elses.iter().flatten() {
                    match &other.condition {
                        // Bash shows `elif` as an `if` within `else`; the lab keeps it short.
                        Some(condition) => {
                            self.line("elif ");
                            self.inline(condition);
                            self.push("; then\n");
                        }
                        None => {
                            self.line("else");
                            self.push("\n");
                        }
                    }
                    self.block(&other.body, true);
                }
                self.line("fi");
            }
            CompoundCommand::WhileClause(w) => {
                self.push("while ");
                self.inline(&w.0);
                self.push("; do\n");
                self.block(&w.1.list, true);
                self.line("done");
            }
            CompoundCommand::UntilClause(w) => {
                self.push("until ");
                self.inline(&w.0);
                self.push("; do\n");
                self.block(&w.1.list, true);
                self.line("done");
            }
            CompoundCommand::ForClause(clause) => {
                let words: Vec<&str> = clause.values.iter().flatten().map(|w| w.value.as_str()).collect();
                let words = if clause.values.is_some() { words.join(" ") } else { "\"$@\"".to_owned() };
                self.push(&format!("for {} in {words};", clause.variable_name));
                self.group(&clause.body);
            }
            CompoundCommand::ArithmeticForClause(clause) => {
                let part = |e: &Option<brush_parser::ast::UnexpandedArithmeticExpr>| {
                    e.as_ref().map(|e| e.value.trim().to_owned()).unwrap_or_default()
                };
                let (a, b, c) = (part(&clause.initializer), part(&clause.condition), part(&clause.updater));
                self.push(&format!("for (({a}; {b}; {c}))"));
                self.group(&clause.body);
            }
            CompoundCommand::CaseClause(clause) => {
                self.push(&format!("case {} in ", clause.value.value));
                self.indent += 4;
                for case in &clause.cases {
                    let patterns: Vec<&str> = case.patterns.iter().map(|p| p.value.as_str()).collect();
                    self.line(&format!("{})", patterns.join(" | ")));
                    self.push("\n");
                    if let Some(list) = &case.cmd {
                        self.block(list, false);
                    }
                    self.line(match case.post_action {
                        CaseItemPostAction::ExitCase => ";;",
                        CaseItemPostAction::UnconditionallyExecuteNextCaseItem => ";&",
                        CaseItemPostAction::ContinueEvaluatingCases => ";;&",
                    });
                }
                self.indent -= 4;
                self.line("esac");
            }
            CompoundCommand::Arithmetic(a) => self.push(&format!("(( {} ))", a.expr.value.trim())),
            CompoundCommand::Coprocess(_) => self.push(&compound.to_string()),
        }
    }

    fn group(&mut self, body: &DoGroupCommand) {
        self.line("do");
        self.push("\n");
        self.block(&body.list, true);
        self.line("done");
    }

    fn redirects(&mut self, redirects: Option<&RedirectList>) {
        for r in redirects.iter().flat_map(|r| &r.0) {
            self.push(" ");
            self.push(&redirect(r));
        }
    }
}

fn item(item: &Item) -> String {
    match item {
        Item::IoRedirect(r) => redirect(r),
        Item::Word(w) | Item::AssignmentWord(_, w) => w.value.clone(),
        other => other.to_string(),
    }
}

fn redirect(r: &IoRedirect) -> String {
    let IoRedirect::File(fd, kind, target) = r else { return r.to_string().trim().to_owned() };
    let word = match target {
        Target::Filename(w) | Target::Duplicate(w) => w.value.clone(),
        Target::Fd(n) => n.to_string(),
        other => other.to_string(),
    };
    let number = |default: i32| match fd {
        Some(n) if *n != default => n.to_string(),
        _ => String::new(),
    };
    match kind {
        Kind::Read => format!("{}< {word}", number(0)),
        Kind::Write => format!("{}> {word}", number(1)),
        Kind::Append => format!("{}>> {word}", number(1)),
        Kind::ReadAndWrite => format!("{}<> {word}", number(0)),
        Kind::Clobber => format!("{}>| {word}", number(1)),
        Kind::DuplicateInput => format!("{}<&{word}", fd.unwrap_or(0)),
        Kind::DuplicateOutput => format!("{}>&{word}", fd.unwrap_or(1)),
    }
}

//! Expansion of words: braces, tilde, parameters, commands, arithmetic; then splitting, file names,
//! and the removal of quotes (bash(1), "EXPANSION").

use super::run::{self, Flow};
use super::state::{Shell, Value};
use super::{arith, parameter, parse, pattern};
use brush_parser::ast::Word;
use brush_parser::word::{
    self, BraceExpressionMember, BraceExpressionOrText, TildeExpr, WordPiece, WordPieceWithSource,
};
use std::future::Future;
use std::pin::Pin;

/// The most that `$(…)` takes, in octets.
const SUBSTITUTION_LIMIT: usize = 64 << 20;

/// A part of an expanded word.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text; quoted text is neither split nor a pattern.
    Text { text: String, quoted: bool },
    /// The outcome of an expansion without quotes: to be split.
    Split(String),
    /// A word ends here, as between the elements of `"$@"`.
    End,
}

/// Why a word cannot be expanded, in the shell's words; whether the shell ends by it.
#[derive(Debug)]
pub struct Failure {
    /// What it says.
    pub text: String,
    /// Does a shell that runs a script end?
    pub fatal: bool,
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure { text, fatal: false }
    }
}

/// Says why a word could not be expanded.
pub async fn failed(shell: &mut Shell, failure: Failure) -> Flow {
    shell.complain(&failure.text).await;
    shell.status = 1;
    if failure.fatal {
        Flow::Exit(if failure.text.contains("unbound") { 127 } else { 1 })
    } else {
        Flow::Normal
    }
}

/// What a word comes to as fields.
pub async fn fields(shell: &mut Shell, words: &[Word]) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    for w in words {
        for text in braces(&w.value) {
            let parts = expand(shell, &text).await?;
            out.extend(split(shell, parts));
        }
    }
    Ok(out)
}

/// What a word comes to as one text: no splitting, no file names.
pub async fn text(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    let parts = expand(shell, value).await?;
    Ok(join(shell, parts, |text, _| text))
}

/// What a word comes to as a pattern: what was quoted means itself.
pub async fn as_pattern(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    let parts = expand(shell, value).await?;
    Ok(join(shell, parts, |text, quoted| if quoted { pattern::quote(&text) } else { text }))
}

/// The content of a here-document.
pub async fn document(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    parse::check(value)?;
    let pieces = word::parse_heredoc(value, &parse::options()).map_err(|e| e.to_string())?;
    let mut parts = Vec::new();
    expand_pieces(shell, &pieces, true, &mut parts).await?;
    Ok(join(shell, parts, |text, _| text))
}

fn join(shell: &Shell, parts: Vec<Part>, f: impl Fn(String, bool) -> String) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text { text, quoted } => out.push_str(&f(text, quoted)),
            Part::Split(text) => out.push_str(&f(text, false)),
            Part::End => out.push_str(&first_separator(shell)),
        }
    }
    out
}

/// The first character of IFS, which joins the elements of `$*`.
pub fn first_separator(shell: &Shell) -> String {
    match shell.get("IFS") {
        Some(ifs) => ifs.chars().next().map(String::from).unwrap_or_default(),
        None => " ".to_owned(),
    }
}

/// Expands a word, without splitting it.
pub fn expand<'a>(
    shell: &'a mut Shell,
    value: &'a str,
) -> Pin<Box<dyn Future<Output = Result<Vec<Part>, Failure>> + 'a>> {
    Box::pin(async move {
        parse::check(value)?;
        let pieces = word::parse(value, &parse::options())
            .map_err(|_| Failure { text: format!("{value}: bad substitution"), fatal: true })?;
        let mut parts = Vec::new();
        expand_pieces(shell, &pieces, false, &mut parts).await?;
        Ok(parts)
    })
}

fn expand_pieces<'a>(
    shell: &'a mut Shell,
    pieces: &'a [WordPieceWithSource],
    quoted: bool,
    out: &'a mut Vec<Part>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
    Box::pin(async move {
        for piece in pieces {
            let literal = |text: String, quoted: bool| Part::Text { text, quoted };
            let outcome =
                |text: String| if quoted { Part::Text { text, quoted: true } } else { Part::Split(text) };
            match &piece.piece {
                WordPiece::Text(text) => out.push(literal(text.clone(), quoted)),
                WordPiece::SingleQuotedText(text) => out.push(literal(text.clone(), true)),
                WordPiece::AnsiCQuotedText(text) => out.push(literal(ansi_c(text), true)),
                WordPiece::EscapeSequence(text) => {
                    let rest = text.strip_prefix('\\').unwrap_or(text);
                    let kept = quoted && !rest.starts_with(['$', '`', '"', '\\', '\n']);
                    let text = if rest == "\n" {
                        String::new()
                    } else if kept {
                        text.clone()
                    } else {
                        rest.to_owned()
                    };
                    out.push(literal(text, true));
                }
                WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                    let before = out.len();
                    expand_pieces(shell, inner, true, out).await?;
                    let only_list = inner.len() == 1 && out.len() == before && is_list(&inner[0].piece);
                    if !only_list {
                        out.push(literal(String::new(), true));
                    }
                }
                WordPiece::TildeExpansion(tilde) => out.push(literal(home(shell, tilde), true)),
                WordPiece::ParameterExpansion(expr) => parameter::expand(shell, expr, quoted, out).await?,
                WordPiece::CommandSubstitution(text) => {
                    let text = substitute(shell, text).await;
                    out.push(outcome(text));
                }
                WordPiece::BackquotedCommandSubstitution(text) => {
                    let text = substitute(shell, text).await;
                    out.push(outcome(text));
                }
                WordPiece::ArithmeticExpression(expr) => {
                    let n = arith::evaluate(shell, &expr.value).await?;
                    out.push(outcome(n.to_string()));
                }
            }
        }
        Ok(())
    })
}

/// `$@` and its kin make no word at all where there is nothing in them.
fn is_list(piece: &WordPiece) -> bool {
    use brush_parser::word::{Parameter, ParameterExpr, SpecialParameter};
    let WordPiece::ParameterExpansion(ParameterExpr::Parameter { parameter, .. }) = piece else {
        return false;
    };
    matches!(
        parameter,
        Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate: false })
            | Parameter::NamedWithAllIndices { concatenate: false, .. }
    )
}

fn home(shell: &Shell, tilde: &TildeExpr) -> String {
    let var = |name: &str| shell.get(name).unwrap_or_default();
    match tilde {
        TildeExpr::Home => var("HOME"),
        TildeExpr::WorkingDir => var("PWD"),
        TildeExpr::OldWorkingDir => var("OLDPWD"),
        TildeExpr::UserHome(user) => {
            let host = shell.p.host();
            let fs = host.fs();
            let home = host.users().getpwnam(&fs, user).map(|u| u.home.to_string());
            home.unwrap_or_else(|| format!("~{user}"))
        }
        TildeExpr::NthDirFromTopOfDirStack { .. } | TildeExpr::NthDirFromBottomOfDirStack { .. } => {
            "~".to_owned()
        }
    }
}

/// What a command prints, without the line ends at its end.
pub async fn substitute(shell: &mut Shell, text: &str) -> String {
    if shell.depth > 50 {
        shell.complain("command substitution: nested too deep").await;
        shell.status = 1;
        return String::new();
    }
    let (reader, writer) = shell.p.pipe();
    let (mut inner, text) = (shell.clone(), text.to_owned());
    inner.depth += 1;
    inner.traps.clear();
    let child = shell.p.fork(async move |p| {
        p.set_fd(crate::world::process::STDOUT, Some(writer));
        inner.p = p;
        let flow = inner.text(&text).await;
        inner.status = run::end_of(&inner, flow);
        inner.run_trap("EXIT").await;
        inner.status
    });
    let mut all = reader.read_to_end(SUBSTITUTION_LIMIT).await.unwrap_or_default().to_vec();
    shell.status = child.wait().await;
    shell.substituted = Some(shell.status);
    while all.last() == Some(&b'\n') {
        all.pop();
    }
    all.retain(|b| *b != 0);
    String::from_utf8_lossy(&all).into_owned()
}

/// Splits what is to be split, and finds the files that patterns name.
fn split(shell: &Shell, parts: Vec<Part>) -> Vec<String> {
    let ifs = shell.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
    let mut fields = Fields::default();
    for part in parts {
        match part {
            Part::Text { text, quoted } => fields.push(&text, quoted),
            Part::End => fields.end(true),
            Part::Split(text) => fields.split(&text, &ifs),
        }
    }
    fields.end(false);
    let mut out = Vec::new();
    for field in fields.done {
        if !shell.options.noglob && pattern::is_pattern(&field) {
            let found = pattern::files(&shell.p, &field);
            if !found.is_empty() {
                out.extend(found);
                continue;
            }
        }
        out.push(pattern::unquote(&field));
    }
    out
}

/// Fields being made; each as a pattern, what was quoted meaning itself.
#[derive(Default)]
struct Fields {
    done: Vec<String>,
    current: String,
    started: bool,
}

impl Fields {
    fn push(&mut self, text: &str, quoted: bool) {
        if quoted {
            self.current.push_str(&pattern::quote(text));
            self.started = true;
        } else {
            for c in text.chars() {
                if c == '\\' {
                    self.current.push('\\');
                }
                self.current.push(c);
            }
            self.started |= !text.is_empty();
        }
    }

    fn end(&mut self, always: bool) {
        if self.started || (always && !self.current.is_empty()) {
            self.done.push(std::mem::take(&mut self.current));
        }
        self.started = false;
    }

    fn split(&mut self, text: &str, ifs: &str) {
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n') && ifs.contains(c);
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            if !ifs.contains(c) {
                if c == '\\' {
                    self.current.push('\\');
                }
                self.current.push(c);
                self.started = true;
                continue;
            }
            if !blank(c) {
                self.started = true; // an empty field between two separators
            }
            self.end(false);
            while rest.peek().is_some_and(|n| blank(*n)) {
                rest.next();
            }
            if blank(c) && rest.peek().is_some_and(|n| ifs.contains(*n)) {
                // Blanks around a separator belong to it.
                rest.next();
                while rest.peek().is_some_and(|n| blank(*n)) {
                    rest.next();
                }
            }
        }
    }
}

/// The words that braces make of one.
fn braces(value: &str) -> Vec<String> {
    if !value.contains('{') || value.len() > 4096 {
        return vec![value.to_owned()];
    }
    match word::parse_brace_expansions(value, &parse::options()) {
        Ok(Some(pieces)) => combine(&pieces),
        _ => vec![value.to_owned()],
    }
}

fn combine(pieces: &[BraceExpressionOrText]) -> Vec<String> {
    /// The most words that braces may make.
    const MOST: usize = 100_000;
    let mut out = vec![String::new()];
    for piece in pieces {
        let choices: Vec<String> = match piece {
            BraceExpressionOrText::Text(text) => vec![text.clone()],
            BraceExpressionOrText::Expr(members) => members.iter().flat_map(member).take(MOST).collect(),
        };
        out = out.iter().flat_map(|a| choices.iter().map(move |b| format!("{a}{b}"))).take(MOST).collect();
    }
    out
}

fn member(member: &BraceExpressionMember) -> Vec<String> {
    match member {
        BraceExpressionMember::Child(pieces) => combine(pieces),
        BraceExpressionMember::NumberSequence { start, end, increment } => {
            sequence(*start, *end, *increment).map(|n| n.to_string()).collect()
        }
        BraceExpressionMember::CharSequence { start, end, increment } => {
            sequence(*start as i64, *end as i64, *increment)
                .filter_map(|n| char::from_u32(n as u32).map(String::from))
                .collect()
        }
    }
}

fn sequence(start: i64, end: i64, increment: i64) -> impl Iterator<Item = i64> {
    let step = increment.saturating_abs().max(1);
    let down = end < start;
    let count = (start.abs_diff(end) / step as u64).min(99_999);
    (0..=count).map(move |n| if down { start - n as i64 * step } else { start + n as i64 * step })
}

/// `$'…'`
fn ansi_c(text: &str) -> String {
    super::commands::printf::unescape(text)
}

/// The elements of an array variable.
pub fn elements(shell: &Shell, name: &str) -> Vec<String> {
    match shell.variables.get(name).map(|v| &v.value) {
        Some(Value::Array(all)) => all.values().cloned().collect(),
        Some(Value::Text(text)) => vec![text.clone()],
        None => Vec::new(),
    }
}

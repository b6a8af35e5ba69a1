//! Expansion of words: braces, tilde, parameters, commands, arithmetic; then splitting, file names,
//! and the removal of quotes (bash(1), "EXPANSION").

use super::run::{self, Flow};
use super::state::{DEEPEST, Shell};
use super::{arith, braces, parameter, parse, pattern, redirect, split};
use brush_parser::ast::Word;
use brush_parser::word::{
    Parameter, ParameterExpr, SpecialParameter, TildeExpr, WordPiece, WordPieceWithSource,
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

/// In what quotes a piece of a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// In none.
    None,
    /// In double quotes.
    Double,
    /// In a here-document, where double quotes mean themselves.
    Document,
}

/// Why a word cannot be expanded, in the shell's words.
#[derive(Debug)]
pub struct Failure {
    /// What it says.
    pub text: String,
    /// Does a script end by it, and not only the line?
    pub fatal: bool,
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        let fatal = text.ends_with("unbound variable");
        Failure { text, fatal }
    }
}

/// Says why a word could not be expanded; what comes of it.
pub async fn failed(shell: &mut Shell, failure: Failure) -> Flow {
    shell.complain(&failure.text).await;
    shell.status = 1;
    if failure.fatal { shell.fatal() } else { shell.discard() }
}

type Expanding<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + 'a>>;

/// What words come to as fields.
pub async fn fields(shell: &mut Shell, words: &[Word]) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    for w in words {
        add_fields(shell, &w.value, &mut out).await?;
    }
    Ok(out)
}

/// Adds the fields that a word comes to.
pub async fn add_fields(shell: &mut Shell, value: &str, out: &mut Vec<String>) -> Result<(), Failure> {
    if is_plain(value) && !pattern::is_pattern(value) && !value.contains('{') {
        out.push(value.to_owned());
        return Ok(());
    }
    let all = if shell.is_bash() { braces::expand(value) } else { vec![value.to_owned()] };
    for text in all {
        let parts = expand(shell, &text).await?;
        out.extend(split::fields(shell, parts));
    }
    Ok(())
}

/// Does a word mean itself, file names aside?
fn is_plain(value: &str) -> bool {
    !value.is_empty() && !value.bytes().any(|b| matches!(b, b'$' | b'`' | b'\\' | b'"' | b'\'' | b'~'))
}

/// What a word comes to as one text: no splitting, no file names.
pub async fn text(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    if is_plain(value) {
        return Ok(value.to_owned());
    }
    let parts = expand(shell, value).await?;
    Ok(join(parts, |text, _| text))
}

/// What stands behind the `=` of an assignment: as [`text`], and `~` means a home behind `:` too.
pub async fn assigned(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    if is_plain(value) || value.is_empty() {
        return Ok(value.to_owned());
    }
    let mut options = parse::options(false);
    options.tilde_expansion_after_colon = true;
    let parts = expand_with(shell, value, &options).await?;
    Ok(join(parts, |text, _| text))
}

/// An arithmetic expression with what is in it expanded.
pub async fn arithmetic(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    if !value.bytes().any(|b| matches!(b, b'$' | b'`' | b'\\' | b'"' | b'\'')) {
        return Ok(value.to_owned());
    }
    let parts = expand(shell, value).await?;
    Ok(join(parts, |text, _| text))
}

/// What a word comes to as a pattern: what was quoted means itself.
pub async fn as_pattern(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    let parts = expand(shell, value).await?;
    Ok(join(parts, |text, quoted| if quoted { pattern::quote(&text) } else { text }))
}

/// What a word comes to as a regular expression: what was quoted means itself.
pub async fn as_regex(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    let parts = expand(shell, value).await?;
    Ok(join(parts, |text, quoted| if quoted { regex::escape(&text) } else { text }))
}

/// The content of a here-document.
pub async fn document(shell: &mut Shell, value: &str) -> Result<String, Failure> {
    if !value.bytes().any(|b| matches!(b, b'$' | b'`' | b'\\')) {
        return Ok(value.to_owned());
    }
    let mut parts = Vec::new();
    document_parts(shell, value, Quotes::Document, &mut parts).await?;
    Ok(join(parts, |text, _| text))
}

async fn document_parts(
    shell: &mut Shell,
    value: &str,
    quotes: Quotes,
    out: &mut Vec<Part>,
) -> Result<(), Failure> {
    parse::check(value)?;
    let joined = joined_lines(value);
    let pieces = parse::document(&joined).ok_or_else(|| bad(value))?;
    expand_pieces(shell, &pieces, quotes, out).await
}

/// A text without the line ends behind a backslash.
fn joined_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('\n')) => {
                chars.next();
            }
            ('\\', Some(next)) => {
                out.push(c);
                out.push(next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

/// The word in `"${x:-word}"`, where single quotes mean themselves.
pub async fn in_quotes(shell: &mut Shell, value: &str, out: &mut Vec<Part>) -> Result<(), Failure> {
    let (mut text, mut depth) = (String::new(), 0usize);
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'}') => {}
            '\\' => {
                text.push(c);
                text.extend(chars.next());
            }
            '"' if depth == 0 => {}
            c => {
                match c {
                    '(' => depth += 1,
                    ')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                text.push(c);
            }
        }
    }
    Box::pin(document_parts(shell, &text, Quotes::Double, out)).await
}

fn join(parts: Vec<Part>, f: impl Fn(String, bool) -> String) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text { text, quoted } => out.push_str(&f(text, quoted)),
            Part::Split(text) => out.push_str(&f(text, false)),
            Part::End => out.push(' '),
        }
    }
    out
}

fn plain(piece: &WordPiece) -> Option<&str> {
    match piece {
        WordPiece::Text(text) => Some(text),
        _ => None,
    }
}

fn opens(piece: Option<&WordPieceWithSource>) -> bool {
    piece.and_then(|p| plain(&p.piece)).is_some_and(|text| text.starts_with('{'))
}

/// The `${…}` in a text.
fn unread(text: &str) -> &str {
    let from = text.find("${").unwrap_or(0);
    let end = text[from..].find('}').map_or(text.len(), |at| from + at + 1);
    &text[from..end]
}

fn bad(value: &str) -> Failure {
    Failure { text: format!("{value}: bad substitution"), fatal: false }
}

/// Expands a word, without splitting it.
pub fn expand<'a>(shell: &'a mut Shell, value: &'a str) -> Expanding<'a, Vec<Part>> {
    Box::pin(async move {
        // A word that looks like an assignment has a home behind its `=`.
        if let Some((name, rest)) = value.split_once('=')
            && rest.starts_with('~')
            && shell.is_bash()
            && super::variable::is_name(name)
        {
            let mut parts = vec![Part::Text { text: format!("{name}="), quoted: false }];
            parts.extend(expand_with(shell, rest, &parse::options(false)).await?);
            return Ok(parts);
        }
        expand_with(shell, value, &parse::options(false)).await
    })
}

async fn expand_with(
    shell: &mut Shell,
    value: &str,
    options: &brush_parser::ParserOptions,
) -> Result<Vec<Part>, Failure> {
    parse::check(value)?;
    let pieces = parse::word(value, options).ok_or_else(|| bad(value))?;
    let mut parts = Vec::new();
    expand_pieces(shell, &pieces, Quotes::None, &mut parts).await?;
    Ok(parts)
}

fn expand_pieces<'a>(
    shell: &'a mut Shell,
    pieces: &'a [WordPieceWithSource],
    quotes: Quotes,
    out: &'a mut Vec<Part>,
) -> Expanding<'a, ()> {
    Box::pin(async move {
        let quoted = quotes != Quotes::None;
        for (n, piece) in pieces.iter().enumerate() {
            let literal = |text: String, quoted: bool| Part::Text { text, quoted };
            let outcome =
                |text: String| if quoted { Part::Text { text, quoted: true } } else { Part::Split(text) };
            match &piece.piece {
                // What the library cannot read in `${…}` it gives as it is written.
                WordPiece::Text(text) if text.contains("${") => return Err(bad(unread(text))),
                WordPiece::Text(text) if text.ends_with('$') && opens(pieces.get(n + 1)) => {
                    let whole: String = pieces[n..].iter().map_while(|p| plain(&p.piece)).collect();
                    return Err(bad(unread(&whole)));
                }
                WordPiece::Text(text) => out.push(literal(text.clone(), quoted)),
                WordPiece::SingleQuotedText(text) => out.push(literal(text.clone(), true)),
                WordPiece::AnsiCQuotedText(text) if shell.is_bash() => out.push(literal(ansi_c(text), true)),
                WordPiece::AnsiCQuotedText(text) => out.push(literal(format!("${text}"), true)),
                WordPiece::EscapeSequence(text) => out.push(literal(escaped(text, quotes), true)),
                WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                    let before = out.len();
                    expand_pieces(shell, inner, Quotes::Double, out).await?;
                    // `"$@"` makes no word where there is nothing in it; other quotes do.
                    if !(out.len() == before && inner.len() == 1 && is_list(&inner[0].piece)) {
                        out.push(literal(String::new(), true));
                    }
                }
                WordPiece::TildeExpansion(tilde) => out.push(literal(home(shell, tilde), true)),
                WordPiece::ParameterExpansion(expr) => {
                    parameter::expand(shell, expr, quoted, out).await?;
                }
                WordPiece::CommandSubstitution(text) => {
                    let text = substitute(shell, text.trim_start()).await;
                    out.push(outcome(text));
                }
                WordPiece::BackquotedCommandSubstitution(text) => {
                    let text = substitute(shell, &backquoted(text, quotes)).await;
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

/// What a backslash and what stands behind it come to.
fn escaped(text: &str, quotes: Quotes) -> String {
    let rest = text.strip_prefix('\\').unwrap_or(text);
    let means = match quotes {
        Quotes::None => true,
        Quotes::Double => rest.starts_with(['$', '`', '"', '\\', '\n']),
        Quotes::Document => rest.starts_with(['$', '`', '\\', '\n']),
    };
    match rest {
        "\n" => String::new(),
        _ if means => rest.to_owned(),
        _ => text.to_owned(),
    }
}

/// The command in backquotes: a backslash guards `$`, a backquote and a backslash.
fn backquoted(text: &str, quotes: Quotes) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let guarded = match chars.peek() {
            Some('$' | '`' | '\\') => true,
            Some('"') => quotes == Quotes::Double,
            _ => false,
        };
        if c != '\\' || !guarded {
            out.push(c);
        } else {
            out.extend(chars.next());
        }
    }
    out
}

/// `$@` and its kin make no word at all where there is nothing in them.
fn is_list(piece: &WordPiece) -> bool {
    let parameter = match piece {
        WordPiece::ParameterExpansion(
            ParameterExpr::Parameter { parameter, .. } | ParameterExpr::Substring { parameter, .. },
        ) => parameter,
        WordPiece::ParameterExpansion(ParameterExpr::MemberKeys { concatenate: false, .. }) => return true,
        _ => return false,
    };
    matches!(
        parameter,
        Parameter::Special(SpecialParameter::AllPositionalParameters { concatenate: false })
            | Parameter::NamedWithAllIndices { concatenate: false, .. }
    )
}

fn home(shell: &Shell, tilde: &TildeExpr) -> String {
    let var = |name: &str, else_: &str| shell.get(name).unwrap_or_else(|| else_.to_owned());
    let home_of = |user: &str| {
        let host = shell.p.host();
        let fs = host.fs();
        host.users().getpwnam(&fs, user).map(|u| u.home.to_string())
    };
    match tilde {
        TildeExpr::Home => shell.get("HOME").unwrap_or_else(|| {
            let host = shell.p.host();
            let fs = host.fs();
            host.users()
                .getpwuid(&fs, shell.p.cred().uid)
                .map_or_else(|| "~".to_owned(), |u| u.home.to_string())
        }),
        TildeExpr::WorkingDir => var("PWD", "~+"),
        TildeExpr::OldWorkingDir => var("OLDPWD", "~-"),
        TildeExpr::UserHome(user) => home_of(user).unwrap_or_else(|| format!("~{user}")),
        TildeExpr::NthDirFromTopOfDirStack { n, .. } | TildeExpr::NthDirFromBottomOfDirStack { n, .. } => {
            format!("~{n}")
        }
    }
}

/// What a command prints, without the line ends at its end.
pub async fn substitute(shell: &mut Shell, text: &str) -> String {
    if shell.depth >= DEEPEST {
        shell.complain("command substitution: nested too deep").await;
        shell.status = 1;
        return String::new();
    }
    let mut all = match redirect::only_file(text) {
        Some(file) => read_file(shell, file).await,
        None => run_captured(shell, text).await,
    };
    while all.last() == Some(&b'\n') {
        all.pop();
    }
    if all.contains(&0) {
        all.retain(|b| *b != 0);
        if shell.is_bash() {
            shell.complain("warning: command substitution: ignored null byte in input").await;
        }
    }
    match String::from_utf8(all) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    }
}

/// `$(< file)`
async fn read_file(shell: &mut Shell, file: &str) -> Vec<u8> {
    let read = match text(shell, file).await {
        Ok(path) => shell.p.read_file(&path).map_err(|e| format!("{path}: {e}")),
        Err(failure) => Err(failure.text),
    };
    shell.status = i32::from(read.is_err());
    shell.substituted = Some(shell.status);
    match read {
        Ok(all) => all.to_vec(),
        Err(text) => {
            shell.complain(&text).await;
            Vec::new()
        }
    }
}

async fn run_captured(shell: &mut Shell, text: &str) -> Vec<u8> {
    let (reader, writer) = shell.p.pipe();
    let (base, text) = (shell.clone(), text.to_owned());
    let child = shell.p.fork(async move |p| {
        p.set_fd(crate::world::process::STDOUT, Some(writer));
        let mut inner = base.subshell(p);
        inner.depth += 1;
        inner.trace_level += 1;
        inner.line_base = inner.line.saturating_sub(1);
        inner.note = "command substitution";
        inner.options.errexit &= !inner.is_bash();
        inner.may_become = true;
        let flow = inner.text(&text).await;
        run::finish(&mut inner, flow).await
    });
    let all = match reader.read_to_end(SUBSTITUTION_LIMIT).await {
        Ok(all) => all.to_vec(),
        Err(_) => {
            shell.complain("command substitution: output is too long for the lab").await;
            Vec::new()
        }
    };
    shell.status = child.wait().await;
    shell.substituted = Some(shell.status);
    all
}

/// `$'…'`
fn ansi_c(text: &str) -> String {
    super::ansi_c::decode(text)
}

//! `$name`, `${name}` and what may stand in the braces (bash(1), "Parameter Expansion").

use super::state::{Shell, Value};
use super::word::{self, Failure, Part};
use super::{arith, pattern};
use brush_parser::word::{Parameter, ParameterExpr, ParameterTestType, SpecialParameter, SubstringMatchKind};

/// What a parameter holds.
enum Content {
    Unset,
    One(String),
    /// All elements: each a word of its own inside quotes, or joined.
    Many(Vec<String>, bool),
}

/// Expands one `${…}`.
pub async fn expand(
    shell: &mut Shell,
    expr: &ParameterExpr,
    quoted: bool,
    out: &mut Vec<Part>,
) -> Result<(), Failure> {
    use ParameterExpr as E;
    let one = |text: String| if quoted { Part::Text { text, quoted: true } } else { Part::Split(text) };
    match expr {
        E::Parameter { parameter, indirect } => {
            let content = content(shell, parameter, *indirect).await?;
            if matches!(content, Content::Unset) && shell.options.nounset {
                return Err(unbound(parameter));
            }
            put(shell, content, quoted, out);
        }
        E::UseDefaultValues { parameter, indirect, test_type, default_value } => {
            let content = content(shell, parameter, *indirect).await?;
            if is_missing(&content, test_type) {
                default(shell, default_value.as_deref(), quoted, out).await?;
            } else {
                put(shell, content, quoted, out);
            }
        }
        E::AssignDefaultValues { parameter, indirect, test_type, default_value } => {
            let content = content(shell, parameter, *indirect).await?;
            if is_missing(&content, test_type) {
                let value = word::text(shell, default_value.as_deref().unwrap_or_default()).await?;
                if let Parameter::Named(name) = parameter {
                    shell.set(name, value.clone())?;
                }
                out.push(one(value));
            } else {
                put(shell, content, quoted, out);
            }
        }
        E::IndicateErrorIfNullOrUnset { parameter, indirect, test_type, error_message } => {
            let content = content(shell, parameter, *indirect).await?;
            if is_missing(&content, test_type) {
                let text = match error_message {
                    Some(text) if !text.is_empty() => word::text(shell, text).await?,
                    _ => "parameter null or not set".to_owned(),
                };
                return Err(Failure { text: format!("{}: {text}", name_of(parameter)), fatal: true });
            }
            put(shell, content, quoted, out);
        }
        E::UseAlternativeValue { parameter, indirect, test_type, alternative_value } => {
            let content = content(shell, parameter, *indirect).await?;
            if !is_missing(&content, test_type) {
                default(shell, alternative_value.as_deref(), quoted, out).await?;
            }
        }
        E::ParameterLength { parameter, indirect } => {
            let n = match content(shell, parameter, *indirect).await? {
                Content::Unset => 0,
                Content::One(text) => text.chars().count(),
                Content::Many(all, _) => all.len(),
            };
            out.push(one(n.to_string()));
        }
        E::Substring { parameter, indirect, offset, length } => {
            let offset = arith::evaluate(shell, &offset.value).await?;
            let length = match length {
                Some(l) => Some(arith::evaluate(shell, &l.value).await?),
                None => None,
            };
            let content = content(shell, parameter, *indirect).await?;
            put(shell, substring(content, offset, length), quoted, out);
        }
        E::VariableNames { prefix, concatenate } => {
            let names: Vec<String> =
                shell.variables.keys().filter(|n| n.starts_with(prefix.as_str())).cloned().collect();
            put(shell, Content::Many(names, *concatenate), quoted, out);
        }
        E::MemberKeys { variable_name, concatenate } => {
            let keys = match shell.variables.get(variable_name).map(|v| &v.value) {
                Some(Value::Array(all)) => all.keys().map(i64::to_string).collect(),
                Some(Value::Text(_)) => vec!["0".to_owned()],
                None => Vec::new(),
            };
            put(shell, Content::Many(keys, *concatenate), quoted, out);
        }
        E::Transform { .. } => {
            return Err(Failure { text: "${name@…}: not available in the lab".into(), fatal: false });
        }
        changing => change(shell, changing, quoted, out).await?,
    }
    Ok(())
}

/// Forms that change each text in the parameter.
async fn change(
    shell: &mut Shell,
    expr: &ParameterExpr,
    quoted: bool,
    out: &mut Vec<Part>,
) -> Result<(), Failure> {
    use ParameterExpr as E;
    let (parameter, indirect, pattern) = match expr {
        E::RemoveSmallestSuffixPattern { parameter, indirect, pattern }
        | E::RemoveLargestSuffixPattern { parameter, indirect, pattern }
        | E::RemoveSmallestPrefixPattern { parameter, indirect, pattern }
        | E::RemoveLargestPrefixPattern { parameter, indirect, pattern }
        | E::UppercaseFirstChar { parameter, indirect, pattern }
        | E::UppercasePattern { parameter, indirect, pattern }
        | E::LowercaseFirstChar { parameter, indirect, pattern }
        | E::LowercasePattern { parameter, indirect, pattern } => (parameter, *indirect, pattern.clone()),
        E::ReplaceSubstring { parameter, indirect, pattern, .. } => {
            (parameter, *indirect, Some(pattern.clone()))
        }
        _ => return Ok(()),
    };
    let pattern = word::as_pattern(shell, pattern.as_deref().unwrap_or_default()).await?;
    let replacement = match expr {
        E::ReplaceSubstring { replacement: Some(text), .. } => word::text(shell, text).await?,
        _ => String::new(),
    };
    let f = |text: &str| -> String {
        match expr {
            E::RemoveSmallestPrefixPattern { .. } => cut_front(text, &pattern, false),
            E::RemoveLargestPrefixPattern { .. } => cut_front(text, &pattern, true),
            E::RemoveSmallestSuffixPattern { .. } => cut_back(text, &pattern, false),
            E::RemoveLargestSuffixPattern { .. } => cut_back(text, &pattern, true),
            E::UppercaseFirstChar { .. } => first(text, char::to_uppercase),
            E::LowercaseFirstChar { .. } => first(text, char::to_lowercase),
            E::UppercasePattern { .. } => text.to_uppercase(),
            E::LowercasePattern { .. } => text.to_lowercase(),
            E::ReplaceSubstring { match_kind, .. } => replace(text, &pattern, &replacement, match_kind),
            _ => text.to_owned(),
        }
    };
    let content = match content(shell, parameter, indirect).await? {
        Content::Unset => Content::Unset,
        Content::One(text) => Content::One(f(&text)),
        Content::Many(all, joined) => Content::Many(all.iter().map(|t| f(t)).collect(), joined),
    };
    put(shell, content, quoted, out);
    Ok(())
}

fn first<I: Iterator<Item = char>>(text: &str, f: impl Fn(char) -> I) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| f(c).chain(chars).collect()).unwrap_or_default()
}

fn boundaries(text: &str) -> Vec<usize> {
    text.char_indices().map(|(i, _)| i).chain([text.len()]).collect()
}

fn cut_front(text: &str, pattern: &str, largest: bool) -> String {
    let mut ends = boundaries(text);
    if largest {
        ends.reverse();
    }
    let end = ends.into_iter().find(|e| pattern::matches(pattern, &text[..*e]));
    text[end.unwrap_or(0)..].to_owned()
}

fn cut_back(text: &str, pattern: &str, largest: bool) -> String {
    let mut starts = boundaries(text);
    if !largest {
        starts.reverse();
    }
    let start = starts.into_iter().find(|s| pattern::matches(pattern, &text[*s..]));
    text[..start.unwrap_or(text.len())].to_owned()
}

fn replace(text: &str, pattern: &str, with: &str, kind: &SubstringMatchKind) -> String {
    if pattern.is_empty() || text.len() > 1 << 16 {
        return text.to_owned();
    }
    let ends = boundaries(text);
    let longest = |from: usize| {
        ends.iter().rev().copied().find(|e| *e > from && pattern::matches(pattern, &text[from..*e]))
    };
    let (mut out, mut at, mut done) = (String::new(), 0, false);
    while at < text.len() {
        let allowed = match kind {
            SubstringMatchKind::Prefix => at == 0,
            SubstringMatchKind::FirstOccurrence => !done,
            SubstringMatchKind::Suffix | SubstringMatchKind::Anywhere => true,
        };
        let end = longest(at)
            .filter(|e| allowed && (!matches!(kind, SubstringMatchKind::Suffix) || *e == text.len()));
        match end {
            Some(end) => {
                out.push_str(with);
                at = end;
                done = true;
            }
            None => {
                let len = text[at..].chars().next().map_or(1, char::len_utf8);
                out.push_str(&text[at..at + len]);
                at += len;
            }
        }
    }
    out
}

fn substring(content: Content, offset: i64, length: Option<i64>) -> Content {
    let range = |len: usize| {
        let len = len as i64;
        let start = if offset < 0 { (len + offset).max(0) } else { offset.min(len) };
        let end = match length {
            None => len,
            Some(l) if l < 0 => (len + l).max(start),
            Some(l) => (start.saturating_add(l)).min(len),
        };
        (start as usize, (end - start).max(0) as usize)
    };
    match content {
        Content::Unset => Content::Unset,
        Content::One(text) => {
            let (start, n) = range(text.chars().count());
            Content::One(text.chars().skip(start).take(n).collect())
        }
        Content::Many(all, joined) => {
            // `${@:1}` counts from $1, with $0 before it.
            let (start, n) = range(all.len() + 1);
            Content::Many(all.into_iter().skip(start.saturating_sub(1)).take(n).collect(), joined)
        }
    }
}

async fn default(
    shell: &mut Shell,
    value: Option<&str>,
    quoted: bool,
    out: &mut Vec<Part>,
) -> Result<(), Failure> {
    let parts = word::expand(shell, value.unwrap_or_default()).await?;
    for part in parts {
        out.push(match part {
            Part::Text { text, .. } | Part::Split(text) if quoted => Part::Text { text, quoted: true },
            Part::Text { text, quoted: false } => Part::Split(text),
            part => part,
        });
    }
    Ok(())
}

fn is_missing(content: &Content, test: &ParameterTestType) -> bool {
    match (content, test) {
        (Content::Unset, _) => true,
        (Content::One(text), ParameterTestType::UnsetOrNull) => text.is_empty(),
        (Content::Many(all, _), ParameterTestType::UnsetOrNull) => all.iter().all(String::is_empty),
        (Content::Many(all, _), ParameterTestType::Unset) => all.is_empty(),
        _ => false,
    }
}

fn put(shell: &Shell, content: Content, quoted: bool, out: &mut Vec<Part>) {
    match content {
        Content::Unset => {}
        Content::One(text) => {
            out.push(if quoted { Part::Text { text, quoted: true } } else { Part::Split(text) })
        }
        Content::Many(all, true) if quoted => {
            out.push(Part::Text { text: all.join(&word::first_separator(shell)), quoted: true });
        }
        Content::Many(all, _) => {
            for (n, text) in all.into_iter().enumerate() {
                if n > 0 {
                    out.push(Part::End);
                }
                out.push(if quoted { Part::Text { text, quoted: true } } else { Part::Split(text) });
            }
        }
    }
}

fn unbound(parameter: &Parameter) -> Failure {
    Failure { text: format!("{}: unbound variable", name_of(parameter)), fatal: true }
}

fn name_of(parameter: &Parameter) -> String {
    match parameter {
        Parameter::Positional(n) => n.to_string(),
        Parameter::Special(s) => s.to_string(),
        Parameter::Named(name) => name.clone(),
        Parameter::NamedWithIndex { name, index } => format!("{name}[{index}]"),
        Parameter::NamedWithAllIndices { name, .. } => name.clone(),
    }
}

async fn content(shell: &mut Shell, parameter: &Parameter, indirect: bool) -> Result<Content, Failure> {
    let found = direct(shell, parameter).await?;
    if !indirect {
        return Ok(found);
    }
    match found {
        Content::One(name) => Ok(shell.get(&name).map_or(Content::Unset, Content::One)),
        other => Ok(other),
    }
}

async fn direct(shell: &mut Shell, parameter: &Parameter) -> Result<Content, Failure> {
    let some = |text: Option<String>| text.map_or(Content::Unset, Content::One);
    Ok(match parameter {
        Parameter::Positional(0) => Content::One(shell.name.clone()),
        Parameter::Positional(n) => some(shell.positional.get(*n as usize - 1).cloned()),
        Parameter::Named(name) => match name.as_str() {
            "RANDOM" => Content::One(shell.p.host().random(32768).to_string()),
            "SECONDS" => Content::One((shell.p.now() - shell.p.started()).as_secs().to_string()),
            "LINENO" => Content::One(shell.line.to_string()),
            "UID" => Content::One(shell.p.real_uid().to_string()),
            "EUID" => Content::One(shell.p.cred().uid.to_string()),
            "PPID" => Content::One(shell.p.parent().to_string()),
            "HOSTNAME" => Content::One(shell.p.host().name().to_string()),
            "BASH_VERSION" => Content::One("5.2.15(1)-release".to_owned()),
            name => some(shell.get(name)),
        },
        Parameter::NamedWithIndex { name, index } => {
            let n = arith::evaluate(shell, index).await?;
            match shell.variables.get(name).map(|v| &v.value) {
                Some(Value::Array(all)) => {
                    let n = if n < 0 { all.keys().next_back().map_or(-1, |last| last + 1 + n) } else { n };
                    some(all.get(&n).cloned())
                }
                Some(Value::Text(text)) if n == 0 => Content::One(text.clone()),
                _ => Content::Unset,
            }
        }
        Parameter::NamedWithAllIndices { name, concatenate } => {
            Content::Many(word::elements(shell, name), *concatenate)
        }
        Parameter::Special(special) => match special {
            SpecialParameter::AllPositionalParameters { concatenate } => {
                Content::Many(shell.positional.clone(), *concatenate)
            }
            SpecialParameter::PositionalParameterCount => Content::One(shell.positional.len().to_string()),
            SpecialParameter::LastExitStatus => Content::One(shell.status.to_string()),
            SpecialParameter::CurrentOptionFlags => Content::One(flags(shell)),
            SpecialParameter::ProcessId => Content::One(shell.p.pid().to_string()),
            SpecialParameter::LastBackgroundProcessId => some(shell.last_background.map(|n| n.to_string())),
            SpecialParameter::ShellName => Content::One(shell.name.clone()),
        },
    })
}

fn flags(shell: &Shell) -> String {
    let o = shell.options;
    let mut out = String::from("hB");
    for (on, letter) in
        [(o.errexit, 'e'), (o.nounset, 'u'), (o.xtrace, 'x'), (o.noglob, 'f'), (o.noclobber, 'C')]
    {
        if on {
            out.push(letter);
        }
    }
    out
}

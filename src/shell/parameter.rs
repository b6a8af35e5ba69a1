//! `$name`, `${name}` and what may stand in the braces (bash(1), "Parameter Expansion").

use super::arith;
use super::split;
use super::state::Shell;
use super::transform;
use super::variable::Value;
use super::word::{self, Failure, Part};
use brush_parser::word::{Parameter, ParameterExpr, ParameterTestType, SpecialParameter};

/// What a parameter holds.
pub(super) enum Content {
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
    match expr {
        E::Parameter { parameter, indirect } => {
            let content = content(shell, parameter, *indirect).await?;
            let list = matches!(content, Content::Many(..));
            if !list && shell.options.nounset && matches!(content, Content::Unset) {
                return Err(unbound(shell, parameter));
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
        E::UseAlternativeValue { parameter, indirect, test_type, alternative_value } => {
            let content = content(shell, parameter, *indirect).await?;
            if !is_missing(&content, test_type) {
                default(shell, alternative_value.as_deref(), quoted, out).await?;
            }
        }
        E::AssignDefaultValues { parameter, indirect, test_type, default_value } => {
            let mut content = content(shell, parameter, *indirect).await?;
            if is_missing(&content, test_type) {
                let value = default_value.as_deref().unwrap_or_default();
                content = Content::One(assign(shell, parameter, *indirect, value).await?);
            }
            put(shell, content, quoted, out);
        }
        // `${#?}` is the length of `$?`.
        E::IndicateErrorIfNullOrUnset {
            parameter: Parameter::Special(SpecialParameter::PositionalParameterCount),
            error_message,
            ..
        } if error_message.as_deref().unwrap_or_default().is_empty() => {
            let n = shell.status.to_string().len();
            put(shell, Content::One(n.to_string()), quoted, out);
        }
        E::IndicateErrorIfNullOrUnset { parameter, indirect, test_type, error_message } => {
            let content = content(shell, parameter, *indirect).await?;
            if is_missing(&content, test_type) {
                let text = match error_message.as_deref() {
                    Some(text) if !text.is_empty() => word::text(shell, text).await?,
                    _ if matches!(test_type, ParameterTestType::UnsetOrNull) => {
                        "parameter null or not set".to_owned()
                    }
                    _ => "parameter not set".to_owned(),
                };
                return Err(Failure { text: format!("{}: {text}", name_of(parameter)), fatal: true });
            }
            put(shell, content, quoted, out);
        }
        E::ParameterLength { parameter, indirect } => {
            let content = content(shell, parameter, *indirect).await?;
            if shell.options.nounset && matches!(content, Content::Unset) {
                return Err(unbound(shell, parameter));
            }
            let n = match content {
                Content::Unset => 0,
                Content::One(text) => text.chars().count(),
                Content::Many(all, _) => all.len(),
            };
            put(shell, Content::One(n.to_string()), quoted, out);
        }
        E::Substring { parameter, indirect, offset, length } => {
            let content =
                slice(shell, parameter, *indirect, &offset.value, length.as_ref().map(|l| &*l.value));
            let content = content.await?;
            put(shell, content, quoted, out);
        }
        E::VariableNames { prefix, concatenate } => {
            let set = |v: &super::variable::Variable| v.value != Value::Unset;
            let names = shell.variables.iter().filter(|(n, v)| n.starts_with(prefix.as_str()) && set(v));
            let names = names.map(|(n, _)| n.clone()).collect();
            put(shell, Content::Many(names, *concatenate), quoted, out);
        }
        E::MemberKeys { variable_name, concatenate } => {
            let name = shell.meant(variable_name);
            let keys = shell.variables.get(&name).map(|v| v.keys()).unwrap_or_default();
            put(shell, Content::Many(keys, *concatenate), quoted, out);
        }
        E::Transform { parameter, indirect, op } => {
            let content = content(shell, parameter, *indirect).await?;
            let name = name_of(parameter);
            let variable = shell.variables.get(&name);
            let content = map(content, |t| transform::by_operator(t, op, &name, variable));
            put(shell, content, quoted, out);
        }
        changing => change(shell, changing, quoted, out).await?,
    }
    Ok(())
}

/// Forms that change each text in the parameter by a pattern.
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
        | E::LowercasePattern { parameter, indirect, pattern } => (parameter, *indirect, pattern.as_deref()),
        E::ReplaceSubstring { parameter, indirect, pattern, .. } => {
            (parameter, *indirect, Some(pattern.as_str()))
        }
        _ => return Ok(()),
    };
    let content = content(shell, parameter, indirect).await?;
    if shell.options.nounset && matches!(content, Content::Unset) {
        return Err(unbound(shell, parameter));
    }
    let pattern = word::as_pattern(shell, pattern.unwrap_or_default()).await?;
    let replacement = match expr {
        // `&` in the replacement is what was found, unless it is quoted.
        E::ReplaceSubstring { replacement: Some(text), .. } => word::as_pattern(shell, text).await?,
        _ => String::new(),
    };
    put(shell, map(content, |t| transform::by_pattern(t, expr, &pattern, &replacement)), quoted, out);
    Ok(())
}

fn map(content: Content, f: impl Fn(&str) -> String) -> Content {
    match content {
        Content::Unset => Content::Unset,
        Content::One(text) => Content::One(f(&text)),
        Content::Many(all, joined) => Content::Many(all.iter().map(|t| f(t)).collect(), joined),
    }
}

/// `${x:=word}`: sets the variable.
async fn assign(
    shell: &mut Shell,
    parameter: &Parameter,
    indirect: bool,
    value: &str,
) -> Result<String, Failure> {
    let value = word::assigned(shell, value).await?;
    match parameter {
        Parameter::Named(name) => {
            let name = if indirect { shell.get(name).unwrap_or_default() } else { name.clone() };
            shell.set(&name, value.clone())?;
            Ok(shell.get(&name).unwrap_or(value))
        }
        Parameter::NamedWithIndex { name, index } => {
            let index = word::arithmetic(shell, index).await?;
            arith::set_element(shell, name, &index, value.clone())?;
            Ok(value)
        }
        other => {
            Err(Failure { text: format!("${}: cannot assign in this way", name_of(other)), fatal: false })
        }
    }
}

async fn slice(
    shell: &mut Shell,
    parameter: &Parameter,
    indirect: bool,
    offset: &str,
    length: Option<&str>,
) -> Result<Content, Failure> {
    let named = |e: Failure| Failure { text: format!("{}: {}", name_of(parameter), e.text), ..e };
    let offset = arith::evaluate(shell, offset).await.map_err(named)?;
    let length = match length {
        Some(text) => Some(arith::evaluate(shell, text).await.map_err(named)?),
        None => None,
    };
    let content = content(shell, parameter, indirect).await?;
    if shell.options.nounset && matches!(content, Content::Unset) {
        return Err(unbound(shell, parameter));
    }
    let wrong = |n: i64| Failure { text: format!("{n}: substring expression < 0"), fatal: false };
    match content {
        Content::Unset => Ok(Content::Unset),
        Content::One(text) => {
            let len = text.chars().count() as i64;
            let start = if offset < 0 { len.saturating_add(offset) } else { offset };
            if !(0..=len).contains(&start) {
                return Ok(Content::One(String::new()));
            }
            let end = match length {
                None => len,
                Some(l) if l < 0 && len + l < start => return Err(wrong(l)),
                Some(l) if l < 0 => len + l,
                Some(l) => start.saturating_add(l).min(len),
            };
            let (start, n) = (start as usize, (end - start).max(0) as usize);
            Ok(Content::One(text.chars().skip(start).take(n).collect()))
        }
        Content::Many(all, joined) => {
            // The positional parameters count from $0.
            let positional = matches!(parameter, Parameter::Special(_));
            let mut all = all;
            if positional && offset <= 0 {
                all.insert(0, shell.name.clone());
            }
            let base = i64::from(positional && offset > 0);
            let len = all.len() as i64 + base;
            let start = if offset < 0 { len.saturating_add(offset) } else { offset };
            if !(0..=len).contains(&start) || length.is_some_and(|l| l < 0) {
                return match length {
                    Some(l) if l < 0 => Err(wrong(l)),
                    _ => Ok(Content::Many(Vec::new(), joined)),
                };
            }
            let n = length.map_or(usize::MAX, |l| l as usize);
            Ok(Content::Many(all.into_iter().skip((start - base) as usize).take(n).collect(), joined))
        }
    }
}

async fn default(
    shell: &mut Shell,
    value: Option<&str>,
    quoted: bool,
    out: &mut Vec<Part>,
) -> Result<(), Failure> {
    let value = value.unwrap_or_default();
    if quoted {
        return word::in_quotes(shell, value, out).await;
    }
    for part in word::expand(shell, value).await? {
        out.push(match part {
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
        (Content::Many(all, _), ParameterTestType::UnsetOrNull) => {
            all.is_empty() || (all.len() == 1 && all[0].is_empty())
        }
        (Content::Many(all, _), ParameterTestType::Unset) => all.is_empty(),
        _ => false,
    }
}

fn put(shell: &Shell, content: Content, quoted: bool, out: &mut Vec<Part>) {
    let one = |text: String| if quoted { Part::Text { text, quoted: true } } else { Part::Split(text) };
    match content {
        Content::Unset => {}
        Content::One(text) => out.push(one(text)),
        Content::Many(all, true) if quoted => out.push(one(all.join(&split::joiner(shell)))),
        Content::Many(all, _) => {
            for (n, text) in all.into_iter().enumerate() {
                if n > 0 {
                    out.push(Part::End);
                }
                out.push(one(text));
            }
        }
    }
}

fn unbound(shell: &Shell, parameter: &Parameter) -> Failure {
    let name = match parameter {
        Parameter::Positional(n) if shell.is_bash() => format!("${n}"),
        other => name_of(other),
    };
    let what = if shell.is_bash() { "unbound variable" } else { "parameter not set" };
    Failure { text: format!("{name}: {what}"), fatal: true }
}

fn name_of(parameter: &Parameter) -> String {
    match parameter {
        Parameter::Positional(n) => n.to_string(),
        Parameter::Special(s) => s.to_string(),
        Parameter::Named(name) => name.clone(),
        Parameter::NamedWithIndex { name, index } => format!("{name}[{index}]"),
        Parameter::NamedWithAllIndices { name, concatenate } => {
            format!("{name}[{}]", if *concatenate { '*' } else { '@' })
        }
    }
}

async fn content(shell: &mut Shell, parameter: &Parameter, indirect: bool) -> Result<Content, Failure> {
    let found = direct(shell, parameter).await?;
    if !indirect {
        return Ok(found);
    }
    let Content::One(name) = found else {
        return Err(Failure {
            text: format!("{}: invalid indirect expansion", name_of(parameter)),
            fatal: false,
        });
    };
    let Some(meant) = super::parse::parameter(&name) else {
        return Err(Failure { text: format!("{name}: invalid variable name"), fatal: false });
    };
    direct(shell, &meant).await
}

async fn direct(shell: &mut Shell, parameter: &Parameter) -> Result<Content, Failure> {
    let some = |text: Option<String>| text.map_or(Content::Unset, Content::One);
    Ok(match parameter {
        Parameter::Positional(0) => Content::One(shell.name.clone()),
        Parameter::Positional(n) => some(shell.positional.get(*n as usize - 1).cloned()),
        Parameter::Named(name) => some(match own(shell, name) {
            Some(text) => Some(text),
            None => shell.get(name),
        }),
        Parameter::NamedWithIndex { name, index } => {
            if let Some(all) = lists(shell, name) {
                let n = arith::evaluate(shell, index).await?;
                return Ok(some(usize::try_from(n).ok().and_then(|n| all.get(n).cloned())));
            }
            let index = word::arithmetic(shell, index).await?;
            some(arith::element(shell, name, &index)?)
        }
        Parameter::NamedWithAllIndices { name, concatenate } => {
            let all = lists(shell, name).unwrap_or_else(|| {
                let name = shell.meant(name);
                shell.variables.get(&name).map(|v| v.elements()).unwrap_or_default()
            });
            Content::Many(all, *concatenate)
        }
        Parameter::Special(special) => match special {
            SpecialParameter::AllPositionalParameters { concatenate } => {
                Content::Many(shell.positional.clone(), *concatenate)
            }
            SpecialParameter::PositionalParameterCount => Content::One(shell.positional.len().to_string()),
            SpecialParameter::LastExitStatus => Content::One(shell.status.to_string()),
            SpecialParameter::CurrentOptionFlags => Content::One(flags(shell)),
            SpecialParameter::ProcessId => Content::One(shell.pid.to_string()),
            SpecialParameter::LastBackgroundProcessId => some(shell.last_background.map(|n| n.to_string())),
            SpecialParameter::ShellName => Content::One(shell.name.clone()),
        },
    })
}

/// Variables that the shell answers for itself.
fn own(shell: &Shell, name: &str) -> Option<String> {
    if name == "LINENO" {
        return Some(shell.line.to_string());
    }
    if name == "PPID" {
        return Some(shell.p.host().process(shell.pid).map_or(shell.p.parent(), |p| p.parent()).to_string());
    }
    if !shell.is_bash() {
        return None;
    }
    Some(match name {
        "RANDOM" => shell.p.host().random(32768).to_string(),
        "SRANDOM" => shell.p.host().random(1 << 32).to_string(),
        "SECONDS" => (shell.p.now() - shell.p.started()).as_secs().to_string(),
        "EPOCHSECONDS" => shell.p.now().unix().to_string(),
        "UID" => shell.p.real_uid().to_string(),
        "EUID" => shell.p.cred().uid.to_string(),
        "BASHPID" => shell.p.pid().to_string(),
        "BASH_SUBSHELL" => shell.level.to_string(),
        "FUNCNAME" => shell.calls.last()?.to_string(),
        "SHELLOPTS" => {
            let on = super::options::SET.iter().filter(|(n, _)| shell.options.is_set(n));
            on.map(|(n, _)| *n).collect::<Vec<_>>().join(":")
        }
        "_" => shell.last_word.clone(),
        _ => return None,
    })
}

/// Lists that the shell answers for itself.
fn lists(shell: &Shell, name: &str) -> Option<Vec<String>> {
    match name {
        "PIPESTATUS" => Some(shell.statuses.iter().map(i32::to_string).collect()),
        "FUNCNAME" => Some(shell.calls.iter().rev().map(|n| n.to_string()).collect()),
        "BASH_SOURCE" => Some(shell.calls.iter().map(|_| shell.source.to_string()).collect()),
        "GROUPS" => Some(vec![shell.p.cred().gid.to_string()]),
        _ => None,
    }
}

fn flags(shell: &Shell) -> String {
    // The letters stand in the order of bash's own table.
    let letters: &[char] = if shell.is_bash() {
        &['a', 'b', 'e', 'f', 'h', 'k', 'm', 'n', 'p', 't', 'u', 'v', 'x', 'B', 'C', 'E', 'H', 'P', 'T']
    } else {
        &['e', 'f', 'I', 'i', 'm', 'n', 's', 'x', 'v', 'C', 'a', 'b', 'u']
    };
    let on = |letter: char| {
        let own = |name: &str| shell.options.is_set(name);
        super::options::Options::by_letter(letter)
            .is_some_and(|name| own(name) && (shell.is_bash() || !matches!(name, "braceexpand" | "hashall")))
    };
    let mut out: String = letters.iter().filter(|l| on(**l)).collect();
    if shell.note == "-c" && shell.is_bash() {
        out.push('c');
    }
    out
}

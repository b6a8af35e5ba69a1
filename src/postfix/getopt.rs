//! Options of commands, as getopt(3) reads them.

use super::msg::Msg;
use crate::world::process::Process;
use std::rc::Rc;

/// The options that were given, in order, and what follows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Letters, with their values.
    pub given: Vec<(char, Option<Rc<str>>)>,
    /// The other arguments.
    pub rest: Vec<Rc<str>>,
}

impl Options {
    /// Was this option given?
    pub fn has(&self, letter: char) -> bool {
        self.given.iter().any(|(l, _)| *l == letter)
    }

    /// The last value of an option.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.given.iter().rev().find(|(l, _)| *l == letter).and_then(|(_, v)| v.as_deref())
    }
}

/// An option with its value, or what getopt prints of a mistake, without the name of the program.
pub type Given = Result<(char, Option<Rc<str>>), String>;

/// All options in order, mistakes among them, and the other arguments. In `allowed`, a `:` stands
/// behind each letter that has a value; those in `alone` have none where nothing stands right
/// behind them. The first argument that is no option ends them.
pub fn all(args: &[Rc<str>], allowed: &str, alone: &[char]) -> (Vec<Given>, Vec<Rc<str>>) {
    let (mut given, mut rest) = (Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if &**arg == "--" {
            break;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
            rest.push(arg.clone());
            break;
        };
        for (at, letter) in letters.char_indices() {
            let Some(i) = allowed.find(letter).filter(|_| letter != ':') else {
                given.push(Err(format!("invalid option -- '{letter}'")));
                continue;
            };
            let behind = &letters[at + letter.len_utf8()..];
            if !allowed[i + 1..].starts_with(':') || (letters.len() == 1 && alone.contains(&letter)) {
                given.push(Ok((letter, None)));
                continue;
            }
            let value = if behind.is_empty() { args.next().cloned() } else { Some(behind.into()) };
            given.push(match value {
                Some(value) => Ok((letter, Some(value))),
                None => Err(format!("option requires an argument -- '{letter}'")),
            });
            break;
        }
    }
    rest.extend(args.cloned());
    (given, rest)
}

/// The same of a command that goes no further than the first mistake.
///
/// # Errors
/// What getopt prints, without the name of the program.
pub fn parse(args: &[Rc<str>], allowed: &str) -> Result<Options, String> {
    let (given, rest) = all(args, allowed, &[]);
    Ok(Options { given: given.into_iter().collect::<Result<_, _>>()?, rest })
}

/// The same for a command that ends with its usage where there is a mistake.
///
/// # Errors
/// Its exit status, once the mistake and the usage have been told.
pub async fn of_command(
    p: &Process,
    msg: &Msg,
    name: &str,
    allowed: &str,
    usage: &str,
) -> Result<Options, i32> {
    match parse(&p.args(), allowed) {
        Ok(options) => Ok(options),
        Err(text) => {
            p.eprint(format!("{name}: {text}\n")).await;
            Err(msg.fatal(usage).await)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stand_together_or_alone() {
        let args: Vec<Rc<str>> = ["-bq", "ID", "-oe", "file", "-x"].map(Into::into).to_vec();
        let options = parse(&args, "bq:oe").unwrap();
        assert_eq!((options.has('b'), options.value('q'), options.has('e')), (true, Some("ID"), true));
        assert_eq!(options.rest, ["file".into(), "-x".into()]);
        assert_eq!(parse(&["-Z".into()], "b"), Err("invalid option -- 'Z'".into()));
        assert_eq!(parse(&["-q".into()], "q:"), Err("option requires an argument -- 'q'".into()));
    }
}

//! Changing main.cf: settings are replaced, removed or made comments where they stand; comments
//! stay. New settings go to the end.

use super::Change;
use crate::postfix::config::ConfigError;
use crate::postfix::config::main_cf::{is_blank, split_setting};
use crate::world::process::Process;

/// Changes the file `path`; gives the warnings.
///
/// # Errors
/// An argument that is no setting, a file that cannot be read or written.
pub fn change(p: &Process, path: &str, change: Change, names: &[String]) -> Result<Vec<String>, ConfigError> {
    let mut warnings = Vec::new();
    let requests = requests(change, names, &mut warnings).map_err(ConfigError::new)?;
    let text = read(p, path)?;
    let edited = edited(&text, path, change, &requests, &mut warnings);
    write(p, path, edited)?;
    Ok(warnings)
}

/// A file that is about to be changed.
///
/// # Errors
/// Those of opening it for reading and of writing the new one beside it.
pub fn read(p: &Process, path: &str) -> Result<String, ConfigError> {
    p.read_text(path).map_err(|e| {
        // The new file is made before the old one is read.
        let temporary = format!("{path}.tmp");
        match p.write_file(&temporary, "", 0o644).and_then(|()| p.unlink(&temporary)) {
            Err(e) => ConfigError::new(format!("open {temporary}: {e}")),
            Ok(()) => ConfigError::new(format!("open {path} for reading: {e}")),
        }
    })
}

/// Puts a new file in the place of `path`.
///
/// # Errors
/// Those of writing it beside the old one.
pub fn write(p: &Process, path: &str, text: String) -> Result<(), ConfigError> {
    let temporary = format!("{path}.tmp");
    let fail = |e| ConfigError::new(format!("open {temporary}: {e}"));
    p.write_file(&temporary, text, 0o644).map_err(fail)?;
    p.rename(&temporary, path).map_err(|e| ConfigError::new(format!("close {temporary}: {e}")))
}

/// What is asked for: names, with values for [`Change::Set`].
type Requests = Vec<(String, Option<String>)>;

fn requests(change: Change, names: &[String], warnings: &mut Vec<String>) -> Result<Requests, String> {
    let mut requests = Requests::new();
    for text in names {
        let (name, value) = match change {
            Change::Set => {
                let (name, value) = split_setting(text).map_err(|e| format!("{e}: \"{text}\""))?;
                (name.to_string(), Some(value.to_string()))
            }
            _ => (text.trim_matches(is_blank).to_string(), None),
        };
        if let Some(earlier) = requests.iter_mut().find(|(n, _)| *n == name) {
            if let (Some(old), Some(_)) = (&earlier.1, &value) {
                warnings.push(format!("ignoring earlier request: '{name} = {old}'"));
            }
            earlier.1 = value;
        } else {
            requests.push((name, value));
        }
    }
    Ok(requests)
}

fn edited(text: &str, path: &str, change: Change, requests: &Requests, warnings: &mut Vec<String>) -> String {
    let mut out = String::with_capacity(text.len() + 80);
    let mut seen = vec![false; requests.len()];
    // Whether the lines that continue the present setting go the way it went.
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let start = line.trim_start_matches(is_blank);
        if start.is_empty() || start.starts_with('#') {
            out.push_str(line);
            continue;
        }
        if start.len() != line.len() {
            match (inside, change) {
                (false, _) => out.push_str(line),
                (true, Change::Comment) => {
                    out.push('#');
                    out.push_str(line);
                }
                (true, _) => {}
            }
            continue;
        }
        let name = line.split(|c| c == '=' || is_blank(c)).next().unwrap_or_default();
        let request = requests.iter().position(|(n, _)| n == name);
        inside = request.is_some();
        let Some(request) = request else {
            out.push_str(line);
            continue;
        };
        if std::mem::replace(&mut seen[request], true) {
            warnings.push(format!("{path}: multiple entries for \"{name}\""));
        }
        match change {
            Change::Set => set(&requests[request], &mut out),
            Change::Comment => {
                out.push('#');
                out.push_str(line);
            }
            Change::Remove => {}
        }
    }
    if change == Change::Set {
        requests
            .iter()
            .zip(&seen)
            .filter(|(_, seen)| !**seen)
            .for_each(|(request, _)| set(request, &mut out));
    }
    out
}

fn set((name, value): &(String, Option<String>), out: &mut String) {
    out.push_str(&format!("{name} = {}\n", value.as_deref().unwrap_or_default()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, change: Change, names: &[&str]) -> (String, Vec<String>) {
        let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
        let mut warnings = Vec::new();
        let requests = requests(change, &names, &mut warnings).unwrap();
        (edited(text, "main.cf", change, &requests, &mut warnings), warnings)
    }

    const TEXT: &str =
        "# head\nmyorigin = a\n\n# c1\n  b\nrelayhost = x\n  # inner\n  y\nrelayhost = z\nlast = v\n";

    #[test]
    fn settings_are_changed_where_they_stand() {
        let (text, warnings) = edit(TEXT, Change::Set, &["relayhost = new", "bar="]);
        assert_eq!(
            text,
            "# head\nmyorigin = a\n\n# c1\n  b\nrelayhost = new\n  # inner\nrelayhost = new\nlast = v\nbar = \n"
        );
        assert_eq!(warnings, ["main.cf: multiple entries for \"relayhost\""]);
    }

    #[test]
    fn settings_are_removed_or_made_comments() {
        let (text, _) = edit(TEXT, Change::Comment, &["myorigin"]);
        assert!(text.starts_with("# head\n#myorigin = a\n\n# c1\n#  b\nrelayhost = x\n"), "{text}");
        let (text, _) = edit("a = b\n  # x\n\n  c\n", Change::Remove, &["a", "nosuch"]);
        assert_eq!(text, "  # x\n\n");
    }

    #[test]
    fn a_later_request_overrides_an_earlier_one() {
        let (text, warnings) = edit("", Change::Set, &["foo=1", "foo = 2"]);
        assert_eq!(text, "foo = 2\n");
        assert_eq!(warnings, ["ignoring earlier request: 'foo = 1'"]);
    }
}

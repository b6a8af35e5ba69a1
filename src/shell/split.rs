//! From the parts of an expanded word to fields: splitting by IFS, file names, removal of quotes
//! (bash(1), "Word Splitting", "Pathname Expansion").

use super::pattern;
use super::state::Shell;
use super::word::Part;

/// The fields that the parts of a word come to.
pub fn fields(shell: &Shell, parts: Vec<Part>) -> Vec<String> {
    let ifs = shell.get("IFS").unwrap_or_else(|| " \t\n".to_owned());
    let mut fields = Fields::default();
    for part in parts {
        match part {
            Part::Text { text, quoted } => fields.push(&text, quoted),
            Part::End => fields.end(),
            Part::Split(text) => fields.split(&text, &ifs),
        }
    }
    fields.end();
    let mut out = Vec::new();
    for field in fields.done {
        if shell.options.noglob || !pattern::is_pattern(&field) {
            out.push(pattern::unquote(&field));
            continue;
        }
        let shopt = |name| shell.options.shopt(name) == Some(true);
        let how = pattern::How { dots: shopt("dotglob"), no_case: shopt("nocaseglob") };
        let found = pattern::files(&shell.p, &field, how);
        if !found.is_empty() {
            out.extend(found);
        } else if !shopt("nullglob") {
            out.push(pattern::unquote(&field));
        }
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
            self.current.push_str(text);
            self.started |= !text.is_empty();
        }
    }

    fn end(&mut self) {
        if self.started {
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
            let ended = self.started;
            // Another separator than a blank ends a field even if nothing is in it.
            self.started |= !blank(c);
            self.end();
            while rest.peek().is_some_and(|n| blank(*n)) {
                rest.next();
            }
            // Blanks around a separator belong to it.
            if blank(c) && ended && rest.peek().is_some_and(|n| ifs.contains(*n)) {
                rest.next();
                while rest.peek().is_some_and(|n| blank(*n)) {
                    rest.next();
                }
            }
        }
    }
}

/// The first character of IFS, which joins the elements of `"$*"`.
pub fn joiner(shell: &Shell) -> String {
    match shell.get("IFS") {
        Some(ifs) => ifs.chars().next().map(String::from).unwrap_or_default(),
        None => " ".to_owned(),
    }
}

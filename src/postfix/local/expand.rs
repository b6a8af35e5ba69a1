//! `$user`, `$home`, `${extension}` and their kin in `forward_path`, `luser_relay` and
//! `command_execution_directory` (local(8)).

use super::{State, Work};
use crate::postfix::config::expand;
use std::borrow::Cow;
use std::cell::Cell;

/// The names, for one recipient.
pub struct Names<'n> {
    work: &'n Work<'n>,
    state: &'n State,
    /// Characters that a value may have; others become `_`. All, where it is empty.
    filter: &'n str,
    used_extension: Cell<bool>,
    undefined: Cell<bool>,
}

impl<'n> Names<'n> {
    pub fn new(work: &'n Work<'n>, state: &'n State, filter: &'n str) -> Names<'n> {
        Names { work, state, filter, used_extension: Cell::new(false), undefined: Cell::new(false) }
    }

    /// Did the text name the address extension?
    pub fn used_extension(&self) -> bool {
        self.used_extension.get()
    }

    fn of(&self, name: &str) -> Option<Cow<'_, str>> {
        let state = self.state;
        let user = state.rights.as_ref();
        let value: &str = match name {
            "user" => &state.user,
            "local" | "mailbox" => &state.local,
            "domain" => &state.domain,
            "recipient" => &state.rcpt.address,
            "home" => &user?.home,
            "shell" => &user?.shell,
            "extension" => {
                self.used_extension.set(true);
                state.extension.as_deref()?
            }
            "recipient_delimiter" => {
                let at = state.extension.is_some().then_some(state.user.len());
                at.and_then(|at| state.local.get(at..at + 1))
                    .or_else(|| self.work.settings().delimiter.get(..1))?
            }
            _ => return None,
        };
        Some(censored(value, self.filter))
    }
}

impl expand::Names for Names<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.of(name).filter(|v| !v.is_empty());
        if value.is_none() {
            self.undefined.set(true);
        }
        value
    }

    /// A name without a value makes no path undefined where only its being there is asked for.
    fn holds(&self, name: &str) -> bool {
        self.of(name).is_some_and(|v| !v.is_empty())
    }

    fn expand_again(&self) -> bool {
        false
    }
}

/// A path with its names filled in; nothing where one of them has no value.
pub fn path(text: &str, names: &Names<'_>) -> Option<String> {
    let path = expand::expand(text, names).ok()?;
    (!names.undefined.get()).then_some(path)
}

/// A text with its names filled in, those without a value left out.
pub fn text(text: &str, names: &Names<'_>) -> String {
    expand::expand(text, names).unwrap_or_default()
}

/// A value with `_` in place of what may not be in it.
pub fn censored<'v>(value: &'v str, filter: &str) -> Cow<'v, str> {
    if filter.is_empty() || value.chars().all(|c| filter.contains(c)) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if filter.contains(c) {
            out.push(c);
        } else {
            out.extend(std::iter::repeat_n('_', c.len_utf8()));
        }
    }
    Cow::Owned(out)
}

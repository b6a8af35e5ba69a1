//! A user's `.forward` file (`forward_path`), with its extension first: `.forward+news`.

use super::expand::{self, Names};
use super::seen::Key;
use super::token;
use super::{Expansion, State, Status, Work, rights_of};
use crate::postfix::queue::notify;
use crate::trace::{Decision, Outcome, Place};
use crate::world::fs::{Kind, Stat};
use crate::world::passwd::Passwd;

impl<'a> Work<'a> {
    /// Reads the user's file and does what it says; nothing where there is none that counts.
    pub(super) async fn dot_forward(&'a self, state: &State) -> Option<Status> {
        if self.settings().forward_path.is_empty() {
            return None;
        }
        let user = self.user(&state.user)?;
        let mut next = state.clone();
        next.level += 1;
        if !self.settings().frozen_delivered {
            next.delivered = state.rcpt.address.clone();
        }
        next.rights = Some(user.clone());
        next.expansion = Expansion::Forward;
        next.owner = Some(state.user.clone());
        next.from_alias = Some(state.local.clone());
        let (path, stat) = self.find(&mut next, &user)?;
        // A second time: the file names its own user, who then gets the message.
        if self.seen.borrow_mut().before(Key::Forward(path.clone())) {
            return self.seen.borrow().has(Key::Forwarded(path)).then_some(Status::Done);
        }
        let text = match self.read(&path, &stat, &user) {
            Ok(text) => text,
            Err(objection) => {
                self.daemon().msg.log_warn(objection);
                return None;
            }
        };
        self.daemon().p.decide(|| Decision {
            rule: ".forward".into(),
            setting: "forward_path".into(),
            place: Place::line(path.as_str(), 1),
            compared: format!("the file of {}", user.name),
            outcome: Outcome::Becomes(text.trim().replace('\n', ", ").into()),
        });
        if self.is_probe() {
            return Some(self.sent(state, format!("forward via file: {path}")).await);
        }
        // An empty file is none.
        token::lines(&text).next()?;
        next.rcpt.dsn_notify = notify::without_success(state.rcpt.dsn_notify);
        let status = self.stream(&next, &text).await;
        self.seen.borrow_mut().before(Key::Forwarded(path));
        if status == Status::Done && state.rcpt.dsn_notify & notify::SUCCESS != 0 {
            self.report_expansion(state, "expanded").await;
        }
        Some(status)
    }

    /// The first file of `forward_path` that is there.
    fn find(&self, state: &mut State, user: &Passwd) -> Option<(String, Stat)> {
        let settings = self.settings();
        let cred = rights_of(user.uid, user.gid);
        for word in crate::postfix::config::typed::words(&settings.forward_path) {
            let names = Names::new(self, state, &settings.forward_filter);
            let Some(path) = expand::path(word, &names) else { continue };
            let Ok(stat) = self.with_rights(&cred, |p| p.stat(&path, false)) else { continue };
            if names.used_extension() || !settings.propagates("forward") {
                state.unmatched = None;
            }
            return Some((path, stat));
        }
        None
    }

    fn read(&self, path: &str, stat: &Stat, user: &Passwd) -> Result<String, String> {
        if stat.kind != Kind::File {
            return Err(format!("file {path} is not a regular file"));
        }
        if stat.uid != user.uid && stat.uid != 0 {
            return Err(format!("file {path} has bad owner uid {}", stat.uid));
        }
        if stat.mode & 0o002 != 0 {
            return Err(format!("file {path} is world writable"));
        }
        let cred = rights_of(user.uid, user.gid);
        self.with_rights(&cred, |p| p.read_text(path)).map_err(|e| format!("cannot open file {path}: {e}"))
    }
}

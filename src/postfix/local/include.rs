//! Lists in files of their own: `:include:/file/name` (aliases(5)).

use super::seen::Key;
use super::token;
use super::{Expansion, State, Status, Work, rights_of};
use crate::postfix::deliver::Dsn;
use crate::trace::{Decision, Outcome, Place};
use crate::world::fs::Stat;
use crate::world::users::Cred;

impl<'a> Work<'a> {
    /// Does what a list says.
    pub(super) async fn include(&'a self, from: &State, path: &str) -> Status {
        let daemon = self.daemon();
        let uid = from.rights.as_ref().map_or(0, |u| u.uid);
        if self.seen.borrow_mut().before(Key::Include(uid, path.to_owned())) {
            return Status::Done;
        }
        let mut next = from.clone();
        next.level += 1;
        next.expansion = Expansion::Include;
        // Whoever wrote the list that names this one may read it, or it is not for him.
        let cred = from.rights.as_ref().map_or_else(Cred::root, |u| rights_of(u.uid, u.gid));
        let read = self.check(path, &cred).and_then(|stat| {
            // A user's list in an alias gives that user's rights, not those of everybody's servant.
            if uid == 0 && stat.uid != 0 {
                next.rights = self.user_of(stat.uid);
                if next.rights.is_none() {
                    daemon.msg.log_warn(format!("cannot find username for uid {}", stat.uid));
                    return Err(format!("{path}: cannot find :include: file owner username"));
                }
            }
            let cred = next.rights.as_ref().map_or_else(Cred::root, |u| rights_of(u.uid, u.gid));
            self.with_rights(&cred, |p| p.read_text(path))
                .map_err(|e| format!("cannot open include file {path}: {e}"))
        });
        let text = match read {
            Ok(text) => text,
            Err(objection) => {
                let status = if objection.ends_with("owner username") { "4.3.5" } else { "5.3.5" };
                daemon.msg.log_warn(objection);
                return self.failed(from, Dsn::new(status, "mail system configuration error")).await;
            }
        };
        if next.owner.is_none() {
            next.owner = Some(from.rcpt.address.clone());
        }
        if !self.settings().propagates("include") {
            next.unmatched = None;
        }
        daemon.p.decide(|| Decision {
            rule: ":include:".into(),
            setting: "alias_maps".into(),
            place: Place::line(path, 1),
            compared: format!("the list in {}", from.rcpt.address),
            outcome: Outcome::Becomes(text.trim().replace('\n', ", ").into()),
        });
        self.stream(&next, &text).await
    }

    /// Does what the lines of a file say, as long as nothing has to wait.
    pub(super) async fn stream(&'a self, state: &State, text: &str) -> Status {
        for line in token::lines(text) {
            let mut status = Status::Done;
            for destination in line {
                status = status.and(self.destination(state, destination).await);
            }
            if status == Status::Later {
                return status;
            }
        }
        Status::Done
    }

    fn check(&self, path: &str, cred: &Cred) -> Result<Stat, String> {
        if !path.starts_with('/') {
            return Err(format!(":include:{path} uses a relative path"));
        }
        let stat = self
            .with_rights(cred, |p| p.stat(path, true))
            .map_err(|e| format!("unable to lookup :include: file {path}: {e}"))?;
        if !stat.is_file() {
            return Err(format!(":include: file {path} is not a regular file"));
        }
        if stat.mode & 0o002 != 0 {
            return Err(format!(":include: file {path} is world writable"));
        }
        Ok(stat)
    }
}

//! A user's `.forward` file (`forward_path`), with its extension first: `.forward+news`.

use super::destination;
use super::{Origin, Target, Work};
use crate::trace::{Decision, Outcome, Place};
use crate::world::errno::Errno;
use crate::world::passwd::Passwd;

impl<'a> Work<'a> {
    /// Reads the user's file and does what it says; false where there is none that counts.
    pub(super) async fn dot_forward(
        &'a self,
        target: &Target,
        user: &Passwd,
        extension: Option<&str>,
    ) -> bool {
        let daemon = self.daemon();
        for path in self.forward_paths(user, extension) {
            let Ok(stat) = daemon.p.stat(&path, false) else { continue };
            let objection = if stat.kind != crate::world::fs::Kind::File {
                Some("is not a regular file")
            } else if stat.uid != user.uid && stat.uid != 0 {
                Some("has bad owner")
            } else if stat.mode & 0o002 != 0 {
                Some("is world writable")
            } else {
                None
            };
            if let Some(objection) = objection {
                let text = if objection == "has bad owner" {
                    format!("file {path} has bad owner {}", stat.uid)
                } else {
                    format!("file {path} {objection}")
                };
                daemon.msg.log_warn(text);
                continue;
            }
            let cred = self.rights(target);
            let text = match self.as_user(cred, |p| p.read_text(&path)) {
                Ok(text) => text,
                Err(Errno::ENOENT) => continue,
                Err(e) => {
                    daemon.msg.log_warn(format!("cannot open file {path}: {e}"));
                    continue;
                }
            };
            let destinations = destination::parse(&text);
            daemon.p.decide(|| Decision {
                rule: ".forward".into(),
                setting: "forward_path".into(),
                place: Place::line(path.as_str(), 1),
                compared: format!("the file of {}", user.name),
                outcome: Outcome::Becomes(text.trim().replace('\n', ", ").into()),
            });
            // An empty file is none.
            if destinations.is_empty() {
                return false;
            }
            let mut next = target.clone();
            next.origin = Origin::Forward;
            next.indirect = true;
            for destination in destinations {
                self.destination(&next, destination).await;
            }
            return true;
        }
        false
    }

    fn forward_paths(&self, user: &Passwd, extension: Option<&str>) -> Vec<String> {
        let delimiter = self.agent.settings.delimiter.chars().next().map(String::from).unwrap_or_default();
        let setting = self.daemon().config.raw("forward_path").unwrap_or_default().into_owned();
        let mut all = Vec::new();
        for word in crate::postfix::config::typed::words(&setting) {
            // `${recipient_delimiter}${extension}`: only where there is an extension.
            if word.contains("extension") && extension.is_none() {
                continue;
            }
            let path = word
                .replace("$home", &user.home)
                .replace("${recipient_delimiter}", &delimiter)
                .replace("${extension}", extension.unwrap_or_default())
                .replace("$user", &user.name);
            all.push(path);
        }
        all
    }
}

//! Who may hand in mail, look at the queue and have it flushed: `authorized_submit_users`,
//! `authorized_mailq_users` and `authorized_flush_users` (`user_acl(3)`).

use super::config::Config;
use super::dict::MatchList;
use crate::trace::{Decision, Outcome};
use crate::world::process::Process;

/// May the user who called a command do what the users of the list `setting` may?
///
/// # Errors
/// Why not: `User NAME(UID) is not allowed to` do what `deed` says.
pub fn check(p: &Process, config: &Config, setting: &'static str, deed: &str) -> Result<(), String> {
    let uid = p.real_uid();
    let name = {
        let fs = p.host().fs();
        p.host().users().getpwuid(&fs, uid).map_or_else(|| "unknown".to_owned(), |user| user.name.to_string())
    };
    let list = config.string(setting);
    let allowed = MatchList::strings(setting, &list, p).is_ok_and(|list| list.matches(&name));
    // Of the default, which allows it to everybody, nothing is told.
    if !allowed || config.setting(setting).is_some() {
        p.decide(|| Decision {
            rule: setting.into(),
            setting: setting.into(),
            place: config.place(setting),
            compared: format!("{name} with \"{list}\""),
            outcome: if allowed { Outcome::Yes } else { Outcome::No },
        });
    }
    match allowed {
        true => Ok(()),
        false => Err(format!("User {name}({uid}) is not allowed to {deed}")),
    }
}

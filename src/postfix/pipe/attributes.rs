//! What a pipe service's line in master.cf says: `flags=`, `user=`, `argv=` and their kin.

use crate::postfix::escape::unescape;
use crate::postfix::queue::SPOOL;
use crate::postfix::server::Daemon;
use crate::world::clock::Duration;
use crate::world::users::Cred;
use std::rc::Rc;

/// The flags there are.
const FLAGS: &str = "BDFORXhqu.>";

/// A service's settings.
pub struct Attributes {
    flags: Vec<char>,
    /// With whose rights the command runs.
    pub cred: Cred,
    /// Where it runs.
    pub directory: Rc<str>,
    /// The command and its arguments, with names to be filled in.
    pub command: Vec<Rc<str>>,
    /// What stands for the null sender.
    pub null_sender: Rc<str>,
    /// What ends a line.
    pub end_of_line: Vec<u8>,
    /// The greatest message in octets; zero for any.
    pub size_limit: u64,
    /// How long the command may take.
    pub limit: Duration,
    /// `recipient_delimiter`
    pub delimiter: Rc<str>,
}

impl Attributes {
    /// Is this flag set?
    pub fn has(&self, flag: char) -> bool {
        self.flags.contains(&flag)
    }

    /// Reads the service's line.
    ///
    /// # Errors
    /// What the daemon ends with.
    pub fn read(daemon: &Daemon) -> Result<Attributes, String> {
        let limit = format!("{}_time_limit", daemon.service.name());
        let limit = daemon.config.seconds(&limit).or_else(|_| daemon.config.seconds("command_time_limit"));
        let mut a = Attributes {
            flags: Vec::new(),
            cred: Cred::root(),
            directory: SPOOL.into(),
            command: Vec::new(),
            null_sender: "MAILER-DAEMON".into(),
            end_of_line: b"\n".to_vec(),
            size_limit: 0,
            limit: limit.map_err(|e| e.to_string())?,
            delimiter: daemon.string("recipient_delimiter"),
        };
        let mut user = None;
        let args = &daemon.service.entry.args;
        let mut at = 0;
        while let Some(arg) = args.get(at) {
            at += 1;
            if &**arg == "-o" {
                at += 1;
                continue;
            }
            if &**arg == "-v" {
                continue;
            }
            let Some((name, value)) = arg.split_once('=') else {
                return Err(format!("unknown attribute name: {arg}"));
            };
            match name {
                "flags" => a.flags(value)?,
                "user" => user = Some(value),
                "directory" => a.directory = value.into(),
                "chroot" => {}
                "null_sender" => a.null_sender = value.into(),
                "eol" => a.end_of_line = unescape(value),
                "size" => a.size_limit = value.parse().map_err(|_| format!("bad size={value}"))?,
                "argv" => {
                    a.command = std::iter::once(value.into()).chain(args[at..].iter().cloned()).collect();
                    break;
                }
                _ => return Err(format!("unknown attribute name: {arg}")),
            }
        }
        let Some(user) = user.filter(|u| !u.is_empty()) else {
            return Err("missing user= command-line attribute".to_owned());
        };
        if a.command.first().is_none_or(|c| c.is_empty()) {
            return Err("missing argv= command-line attribute".to_owned());
        }
        a.cred = rights(daemon, user)?;
        Ok(a)
    }

    fn flags(&mut self, value: &str) -> Result<(), String> {
        match value.chars().find(|c| !FLAGS.contains(*c)) {
            Some(bad) => Err(format!("unknown flag: {bad}")),
            None => {
                self.flags = value.chars().collect();
                Ok(())
            }
        }
    }
}

/// The rights of `user` or `user:group`, which may not be the system's own.
fn rights(daemon: &Daemon, text: &str) -> Result<Cred, String> {
    let (user, group) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
    let owner = daemon.string("mail_owner");
    let host = daemon.p.host();
    let (fs, mut users) = (host.fs(), host.users());
    let entry =
        users.getpwnam(&fs, user).ok_or_else(|| format!("get_service_attr: unknown username: {user}"))?;
    let gid = match group.filter(|g| !g.is_empty()) {
        None => entry.gid,
        Some(group) => users
            .getgrnam(&fs, group)
            .map(|g| g.gid)
            .ok_or_else(|| format!("get_service_attr: unknown group: {group}"))?,
    };
    let attribute = "user= command-line attribute specifies";
    if entry.uid == 0 {
        return Err(format!("{attribute} root privileges"));
    }
    let mail = users.getpwnam(&fs, &owner);
    if mail.as_ref().is_some_and(|m| m.uid == entry.uid) {
        return Err(format!("{attribute} mail system owner {owner}"));
    }
    if gid == 0 {
        return Err(format!("{attribute} privileged group id {gid}"));
    }
    if mail.is_some_and(|m| m.gid == gid) {
        return Err(format!("{attribute} mail system owner {owner} group id {gid}"));
    }
    Ok(Cred { uid: entry.uid, gid, groups: Rc::from([]) })
}

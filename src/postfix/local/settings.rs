//! What deliveries need of the configuration and the lookup tables, read once.

use crate::postfix::dict::{Dict, Flags, Maps};
use crate::postfix::server::Daemon;
use crate::world::clock::Duration;
use crate::world::process::Process;
use std::rc::Rc;

/// Settings and open tables.
pub struct Settings {
    pub myhostname: Rc<str>,
    pub mail_name: Rc<str>,
    pub delimiter: Rc<str>,
    pub home_mailbox: Rc<str>,
    pub mail_spool: Rc<str>,
    /// Not filled in: it is the shell's text.
    pub mailbox_command: Rc<str>,
    pub mailbox_transport: Rc<str>,
    pub fallback_transport: Rc<str>,
    /// Not filled in, as all of the following that are `$name` at delivery.
    pub luser_relay: Rc<str>,
    pub forward_path: Rc<str>,
    pub forward_filter: Rc<str>,
    pub command_filter: Rc<str>,
    pub command_directory: Rc<str>,
    pub command_directory_filter: Rc<str>,
    pub command_limit: Duration,
    pub command_shell: Rc<str>,
    pub export_environment: Vec<Rc<str>>,
    pub allow_commands: Vec<Rc<str>>,
    pub allow_files: Vec<Rc<str>>,
    pub propagate: Vec<Rc<str>>,
    pub default_privs: Rc<str>,
    pub duplicate_limit: usize,
    pub strict_owner: bool,
    pub owner_special: bool,
    pub expand_owner: bool,
    pub reset_owner: bool,
    pub frozen_delivered: bool,
    pub delivered_to: DeliveredTo,
    pub aliases: Vec<Dict>,
    pub mailbox_transport_maps: Maps,
    pub mailbox_command_maps: Maps,
    pub fallback_transport_maps: Maps,
}

/// Where `Delivered-To:` is put on top (`prepend_delivered_header`).
#[derive(Clone, Copy)]
pub struct DeliveredTo {
    pub command: bool,
    pub file: bool,
    pub forward: bool,
}

impl Settings {
    pub fn read(daemon: &Daemon) -> Settings {
        let delivered_to = daemon.config.list("prepend_delivered_header");
        let is = |list: &[Rc<str>], word: &str| list.iter().any(|w| w.eq_ignore_ascii_case(word));
        Settings {
            myhostname: daemon.string("myhostname"),
            mail_name: daemon.string("mail_name"),
            delimiter: daemon.string("recipient_delimiter"),
            home_mailbox: daemon.string("home_mailbox"),
            mail_spool: daemon.string("mail_spool_directory"),
            mailbox_command: raw(daemon, "mailbox_command"),
            mailbox_transport: daemon.string("mailbox_transport"),
            fallback_transport: daemon.string("fallback_transport"),
            luser_relay: raw(daemon, "luser_relay"),
            forward_path: raw(daemon, "forward_path"),
            forward_filter: raw(daemon, "forward_expansion_filter"),
            command_filter: raw(daemon, "command_expansion_filter"),
            command_directory: raw(daemon, "command_execution_directory"),
            command_directory_filter: raw(daemon, "execution_directory_expansion_filter"),
            command_limit: daemon.seconds("command_time_limit"),
            command_shell: daemon.string("local_command_shell"),
            export_environment: daemon.config.list("export_environment"),
            allow_commands: daemon.config.list("allow_mail_to_commands"),
            allow_files: daemon.config.list("allow_mail_to_files"),
            propagate: daemon.config.list("propagate_unmatched_extensions"),
            default_privs: daemon.string("default_privs"),
            duplicate_limit: daemon.int("duplicate_filter_limit").max(0) as usize,
            strict_owner: daemon.yes("strict_mailbox_ownership"),
            owner_special: daemon.yes("owner_request_special"),
            expand_owner: daemon.yes("expand_owner_alias"),
            reset_owner: daemon.yes("reset_owner_alias"),
            frozen_delivered: daemon.yes("frozen_delivered_to"),
            delivered_to: DeliveredTo {
                command: is(&delivered_to, "command"),
                file: is(&delivered_to, "file"),
                forward: is(&delivered_to, "forward"),
            },
            aliases: open_aliases(daemon),
            mailbox_transport_maps: open(daemon, "mailbox_transport_maps", Flags::USUAL),
            mailbox_command_maps: open(daemon, "mailbox_command_maps", Flags::ALIAS),
            fallback_transport_maps: open(daemon, "fallback_transport_maps", Flags::USUAL),
        }
    }

    /// A table whose file is another one than that which was opened, as the log names it.
    pub fn changed(&self, p: &Process) -> Option<String> {
        let aliases = self.aliases.iter().find(|d| d.changed(p)).map(Dict::identity);
        aliases
            .or_else(|| self.mailbox_transport_maps.changed(p))
            .or_else(|| self.mailbox_command_maps.changed(p))
            .or_else(|| self.fallback_transport_maps.changed(p))
    }

    /// Do addresses that `what` expands to get the extension (`propagate_unmatched_extensions`)?
    pub fn propagates(&self, what: &str) -> bool {
        self.propagate.iter().any(|w| &**w == what)
    }
}

fn open_aliases(daemon: &Daemon) -> Vec<Dict> {
    let specs = daemon.string("alias_maps");
    let mut all = Vec::new();
    for spec in crate::postfix::config::typed::words(&specs) {
        match Dict::open(spec, Flags::ALIAS, &daemon.p) {
            Ok(dict) => {
                for w in dict.warnings() {
                    daemon.msg.log_warn(w);
                }
                all.push(dict);
            }
            Err(e) => {
                daemon.msg.log(&format!("error: {e}"));
                all.push(Dict::surrogate(spec, &e));
            }
        }
    }
    all
}

fn open(daemon: &Daemon, setting: &str, flags: Flags) -> Maps {
    let maps = Maps::open_with(&daemon.string(setting), flags, &daemon.p);
    for e in maps.errors() {
        daemon.msg.log(&format!("error: {e}"));
    }
    for w in maps.warnings() {
        daemon.msg.log_warn(w);
    }
    maps
}

/// A setting as it is written.
fn raw(daemon: &Daemon, name: &str) -> Rc<str> {
    daemon.config.raw(name).map_or_else(|| "".into(), |text| text.as_ref().into())
}

//! Which parameters do something in the lab. A parameter that someone set and that is not here is
//! known, shown by postconf, and reported as having no effect.

use super::{Config, Place};
use std::rc::Rc;

/// The parameters that the lab honours, sorted; one a line, so that lists can be merged.
pub const HAS_EFFECT: &[&str] = &[
    "access_map_defer_code",
    "access_map_reject_code",
    "alias_database",
    "alias_maps",
    "allow_mail_to_commands",
    "allow_mail_to_files",
    "allow_percent_hack",
    "always_bcc",
    "append_at_myorigin",
    "append_dot_mydomain",
    "body_checks",
    "bounce_notice_recipient",
    "bounce_queue_lifetime",
    "bounce_size_limit",
    "canonical_classes",
    "canonical_maps",
    "command_directory",
    "command_execution_directory",
    "command_expansion_filter",
    "command_time_limit",
    "compatibility_level",
    "config_directory",
    "content_filter",
    "daemon_directory",
    "data_directory",
    "default_database_type",
    "default_destination_concurrency_limit",
    "default_destination_recipient_limit",
    "default_privs",
    "default_process_limit",
    "default_rbl_reply",
    "default_transport",
    "defer_code",
    "defer_transports",
    "delay_warning_time",
    "deliver_lock_attempts",
    "deliver_lock_delay",
    "disable_vrfy_command",
    "double_bounce_sender",
    "duplicate_filter_limit",
    "empty_address_recipient",
    "enable_long_queue_ids",
    "execution_directory_expansion_filter",
    "expand_owner_alias",
    "export_environment",
    "fallback_relay",
    "fallback_transport",
    "fallback_transport_maps",
    "forward_expansion_filter",
    "forward_path",
    "frozen_delivered_to",
    "hash_queue_depth",
    "hash_queue_names",
    "header_checks",
    "header_size_limit",
    "home_mailbox",
    "hopcount_limit",
    "inet_interfaces",
    "inet_protocols",
    "initial_destination_concurrency",
    "invalid_hostname_reject_code",
    "line_length_limit",
    "local_command_shell",
    "local_destination_concurrency_limit",
    "local_destination_recipient_limit",
    "local_recipient_maps",
    "local_transport",
    "luser_relay",
    "mail_name",
    "mail_owner",
    "mail_spool_directory",
    "mail_version",
    "mailbox_command",
    "mailbox_command_maps",
    "mailbox_delivery_lock",
    "mailbox_size_limit",
    "mailbox_transport",
    "mailbox_transport_maps",
    "max_idle",
    "max_use",
    "maximal_backoff_time",
    "maximal_queue_lifetime",
    "message_size_limit",
    "mime_header_checks",
    "minimal_backoff_time",
    "multi_recipient_bounce_reject_code",
    "mydestination",
    "mydomain",
    "myhostname",
    "mynetworks",
    "mynetworks_style",
    "myorigin",
    "nested_header_checks",
    "non_fqdn_reject_code",
    "notify_classes",
    "owner_request_special",
    "parent_domain_matches_subdomains",
    "prepend_delivered_header",
    "propagate_unmatched_extensions",
    "qmgr_message_active_limit",
    "queue_directory",
    "queue_run_delay",
    "recipient_bcc_maps",
    "recipient_canonical_maps",
    "recipient_delimiter",
    "reject_code",
    "relay_domains",
    "relay_domains_reject_code",
    "relay_recipient_maps",
    "relay_transport",
    "relayhost",
    "relocated_maps",
    "remote_header_rewrite_domain",
    "reset_owner_alias",
    "resolve_numeric_domain",
    "sender_bcc_maps",
    "sender_canonical_maps",
    "setgid_group",
    "smtp_address_preference",
    "smtp_bind_address",
    "smtp_connect_timeout",
    "smtp_data_done_timeout",
    "smtp_data_init_timeout",
    "smtp_data_xfer_timeout",
    "smtp_fallback_relay",
    "smtp_generic_maps",
    "smtp_helo_name",
    "smtp_helo_timeout",
    "smtp_host_lookup",
    "smtp_mail_timeout",
    "smtp_mx_address_limit",
    "smtp_mx_session_limit",
    "smtp_quit_timeout",
    "smtp_randomize_addresses",
    "smtp_rcpt_timeout",
    "smtp_skip_5xx_greeting",
    "smtp_tcp_port",
    "smtpd_banner",
    "smtpd_client_restrictions",
    "smtpd_data_restrictions",
    "smtpd_delay_reject",
    "smtpd_discard_ehlo_keywords",
    "smtpd_end_of_data_restrictions",
    "smtpd_error_sleep_time",
    "smtpd_etrn_restrictions",
    "smtpd_forbidden_commands",
    "smtpd_hard_error_limit",
    "smtpd_helo_required",
    "smtpd_helo_restrictions",
    "smtpd_junk_command_limit",
    "smtpd_noop_commands",
    "smtpd_null_access_lookup_key",
    "smtpd_recipient_limit",
    "smtpd_recipient_overshoot_limit",
    "smtpd_recipient_restrictions",
    "smtpd_reject_footer",
    "smtpd_reject_unlisted_recipient",
    "smtpd_reject_unlisted_sender",
    "smtpd_relay_before_recipient_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_restriction_classes",
    "smtpd_sender_login_maps",
    "smtpd_sender_restrictions",
    "smtpd_soft_error_limit",
    "smtpd_timeout",
    "smtputf8_enable",
    "soft_bounce",
    "stale_lock_time",
    "strict_mailbox_ownership",
    "strict_rfc821_envelopes",
    "swap_bangpath",
    "syslog_name",
    "transport_maps",
    "transport_retry_time",
    "undisclosed_recipients_header",
    "unknown_address_reject_code",
    "unknown_client_reject_code",
    "unknown_hostname_reject_code",
    "unknown_local_recipient_reject_code",
    "unknown_relay_recipient_reject_code",
    "unknown_virtual_alias_reject_code",
    "unknown_virtual_mailbox_reject_code",
    "virtual_alias_domains",
    "virtual_alias_expansion_limit",
    "virtual_alias_maps",
    "virtual_alias_recursion_limit",
    "virtual_gid_maps",
    "virtual_mailbox_base",
    "virtual_mailbox_domains",
    "virtual_mailbox_limit",
    "virtual_mailbox_maps",
    "virtual_maps",
    "virtual_minimum_uid",
    "virtual_transport",
    "virtual_uid_maps",
];

impl Config {
    /// The parameters that someone set and that have no effect in the lab, with their places.
    /// Names that are no parameters, and so may be there to be used as `$name`, are left out.
    pub fn without_effect(&self) -> Vec<(Rc<str>, Place)> {
        self.settings()
            .filter(|(name, _)| super::parameters::find(name).is_some())
            .filter(|(name, _)| HAS_EFFECT.binary_search(&&***name).is_err())
            .map(|(name, setting)| (name.clone(), setting.place.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HostFacts, parameters};
    use super::*;

    #[test]
    fn the_list_is_sorted_and_names_parameters() {
        assert!(HAS_EFFECT.windows(2).all(|w| w[0] < w[1]));
        for name in HAS_EFFECT {
            assert!(
                parameters::find(name).is_some()
                    || parameters::all().iter().any(|p| p.default.contains(name)),
                "{name}"
            );
        }
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let facts = HostFacts { hostname: "vm".into(), addresses: vec![] };
        let text = "relayhost = x\ncolour = blue\nbiff = no\n";
        let config = Config::parse(text, "/etc/postfix/main.cf", &facts, &[]).unwrap();
        let said = config.without_effect();
        assert_eq!(said.len(), 1);
        assert_eq!((&*said[0].0, said[0].1.to_string()), ("biff", "main.cf:3".into()));
    }
}

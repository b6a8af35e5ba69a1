//! Which parameters do something in the lab. A parameter that someone set and that is not here is
//! known, shown by postconf, and reported as having no effect.

use super::{Config, Place};
use std::rc::Rc;

/// The parameters that the lab honours, sorted; one a line, so that lists can be merged.
pub const HAS_EFFECT: &[&str] = &[
    "2bounce_notice_recipient",
    "access_map_defer_code",
    "access_map_reject_code",
    "address_verify_cache_cleanup_interval",
    "address_verify_default_transport",
    "address_verify_local_transport",
    "address_verify_map",
    "address_verify_negative_cache",
    "address_verify_negative_expire_time",
    "address_verify_negative_refresh_time",
    "address_verify_poll_count",
    "address_verify_poll_delay",
    "address_verify_positive_expire_time",
    "address_verify_positive_refresh_time",
    "address_verify_relay_transport",
    "address_verify_relayhost",
    "address_verify_sender",
    "address_verify_sender_dependent_default_transport_maps",
    "address_verify_sender_dependent_relayhost_maps",
    "address_verify_service_name",
    "address_verify_transport_maps",
    "address_verify_virtual_transport",
    "alias_database",
    "alias_maps",
    "allow_mail_to_commands",
    "allow_mail_to_files",
    "allow_min_user",
    "allow_percent_hack",
    "allow_untrusted_routing",
    "always_add_missing_headers",
    "always_bcc",
    "anvil_rate_time_unit",
    "anvil_status_update_time",
    "append_at_myorigin",
    "append_dot_mydomain",
    "authorized_flush_users",
    "authorized_mailq_users",
    "authorized_submit_users",
    "best_mx_transport",
    "body_checks",
    "body_checks_size_limit",
    "bounce_notice_recipient",
    "bounce_queue_lifetime",
    "bounce_size_limit",
    "bounce_template_file",
    "broken_sasl_auth_clients",
    "canonical_classes",
    "canonical_maps",
    "cleanup_replace_stray_cr_lf",
    "cleanup_service_name",
    "command_execution_directory",
    "command_expansion_filter",
    "command_time_limit",
    "compatibility_level",
    "config_directory",
    "connection_cache_status_update_time",
    "connection_cache_ttl_limit",
    "content_filter",
    "data_directory",
    "default_database_type",
    "default_delivery_status_filter",
    "default_destination_concurrency_failed_cohort_limit",
    "default_destination_concurrency_limit",
    "default_destination_rate_delay",
    "default_destination_recipient_limit",
    "default_filter_nexthop",
    "default_privs",
    "default_process_limit",
    "default_rbl_reply",
    "default_transport",
    "default_transport_rate_delay",
    "defer_code",
    "defer_transports",
    "delay_notice_recipient",
    "delay_warning_time",
    "deliver_lock_attempts",
    "deliver_lock_delay",
    "disable_dns_lookups",
    "disable_mime_input_processing",
    "disable_mime_output_conversion",
    "disable_vrfy_command",
    "double_bounce_sender",
    "duplicate_filter_limit",
    "empty_address_default_transport_maps_lookup_key",
    "empty_address_recipient",
    "empty_address_relayhost_maps_lookup_key",
    "enable_long_queue_ids",
    "enable_original_recipient",
    "enable_threaded_bounces",
    "error_notice_recipient",
    "execution_directory_expansion_filter",
    "expand_owner_alias",
    "export_environment",
    "fallback_relay",
    "fallback_transport",
    "fallback_transport_maps",
    "fast_flush_domains",
    "fast_flush_purge_time",
    "fast_flush_refresh_time",
    "forward_expansion_filter",
    "forward_path",
    "frozen_delivered_to",
    "header_checks",
    "header_from_format",
    "header_size_limit",
    "home_mailbox",
    "hopcount_limit",
    "in_flow_delay",
    "inet_interfaces",
    "inet_protocols",
    "initial_destination_concurrency",
    "invalid_hostname_reject_code",
    "line_length_limit",
    "lmtp_address_preference",
    "lmtp_assume_final",
    "lmtp_bind_address",
    "lmtp_bind_address6",
    "lmtp_connect_timeout",
    "lmtp_connection_cache_destinations",
    "lmtp_connection_cache_on_demand",
    "lmtp_connection_cache_time_limit",
    "lmtp_connection_reuse_count_limit",
    "lmtp_connection_reuse_time_limit",
    "lmtp_data_done_timeout",
    "lmtp_data_init_timeout",
    "lmtp_data_xfer_timeout",
    "lmtp_delivery_status_filter",
    "lmtp_discard_lhlo_keyword_address_maps",
    "lmtp_discard_lhlo_keywords",
    "lmtp_dns_support_level",
    "lmtp_enforce_tls",
    "lmtp_generic_maps",
    "lmtp_lhlo_name",
    "lmtp_lhlo_timeout",
    "lmtp_line_length_limit",
    "lmtp_mail_timeout",
    "lmtp_mx_address_limit",
    "lmtp_mx_session_limit",
    "lmtp_quit_timeout",
    "lmtp_randomize_addresses",
    "lmtp_rcpt_timeout",
    "lmtp_reply_filter",
    "lmtp_rset_timeout",
    "lmtp_sasl_auth_enable",
    "lmtp_sasl_auth_soft_bounce",
    "lmtp_sasl_mechanism_filter",
    "lmtp_sasl_password_maps",
    "lmtp_sasl_security_options",
    "lmtp_sasl_tls_security_options",
    "lmtp_send_dummy_mail_auth",
    "lmtp_sender_dependent_authentication",
    "lmtp_skip_5xx_greeting",
    "lmtp_skip_quit_response",
    "lmtp_starttls_timeout",
    "lmtp_tcp_port",
    "lmtp_tls_enforce_peername",
    "lmtp_tls_loglevel",
    "lmtp_tls_note_starttls_offer",
    "lmtp_tls_policy_maps",
    "lmtp_tls_security_level",
    "lmtp_tls_wrappermode",
    "lmtp_use_tls",
    "local_command_shell",
    "local_delivery_status_filter",
    "local_destination_concurrency_limit",
    "local_destination_recipient_limit",
    "local_header_rewrite_clients",
    "local_recipient_maps",
    "local_transport",
    "luser_relay",
    "mail_name",
    "mail_owner",
    "mail_spool_directory",
    "mailbox_command",
    "mailbox_command_maps",
    "mailbox_delivery_lock",
    "mailbox_size_limit",
    "mailbox_transport",
    "mailbox_transport_maps",
    "maps_rbl_reject_code",
    "masquerade_classes",
    "masquerade_domains",
    "masquerade_exceptions",
    "max_idle",
    "max_use",
    "maximal_backoff_time",
    "maximal_queue_lifetime",
    "message_drop_headers",
    "message_reject_characters",
    "message_size_limit",
    "message_strip_characters",
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
    "permit_mx_backup_networks",
    "pipe_delivery_status_filter",
    "plaintext_reject_code",
    "prepend_delivered_header",
    "propagate_unmatched_extensions",
    "qmgr_message_active_limit",
    "queue_run_delay",
    "rbl_reply_maps",
    "receive_override_options",
    "recipient_bcc_maps",
    "recipient_canonical_classes",
    "recipient_canonical_maps",
    "recipient_delimiter",
    "reject_code",
    "reject_tempfail_action",
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
    "sender_canonical_classes",
    "sender_canonical_maps",
    "sender_dependent_default_transport_maps",
    "sender_dependent_relayhost_maps",
    "show_user_unknown_table_name",
    "smtp_address_preference",
    "smtp_always_send_ehlo",
    "smtp_bind_address",
    "smtp_bind_address6",
    "smtp_connect_timeout",
    "smtp_connection_cache_destinations",
    "smtp_connection_cache_on_demand",
    "smtp_connection_cache_time_limit",
    "smtp_connection_reuse_count_limit",
    "smtp_connection_reuse_time_limit",
    "smtp_data_done_timeout",
    "smtp_data_init_timeout",
    "smtp_data_xfer_timeout",
    "smtp_defer_if_no_mx_address_found",
    "smtp_delivery_status_filter",
    "smtp_discard_ehlo_keyword_address_maps",
    "smtp_discard_ehlo_keywords",
    "smtp_dns_support_level",
    "smtp_enforce_tls",
    "smtp_fallback_relay",
    "smtp_generic_maps",
    "smtp_helo_name",
    "smtp_helo_timeout",
    "smtp_line_length_limit",
    "smtp_mail_timeout",
    "smtp_mx_address_limit",
    "smtp_mx_session_limit",
    "smtp_never_send_ehlo",
    "smtp_quit_timeout",
    "smtp_randomize_addresses",
    "smtp_rcpt_timeout",
    "smtp_reply_filter",
    "smtp_rset_timeout",
    "smtp_sasl_auth_enable",
    "smtp_sasl_auth_soft_bounce",
    "smtp_sasl_mechanism_filter",
    "smtp_sasl_password_maps",
    "smtp_sasl_security_options",
    "smtp_sasl_tls_security_options",
    "smtp_send_dummy_mail_auth",
    "smtp_sender_dependent_authentication",
    "smtp_skip_5xx_greeting",
    "smtp_skip_quit_response",
    "smtp_starttls_timeout",
    "smtp_tcp_port",
    "smtp_tls_enforce_peername",
    "smtp_tls_loglevel",
    "smtp_tls_note_starttls_offer",
    "smtp_tls_policy_maps",
    "smtp_tls_security_level",
    "smtp_tls_wrappermode",
    "smtp_use_tls",
    "smtpd_authorized_xclient_hosts",
    "smtpd_authorized_xforward_hosts",
    "smtpd_banner",
    "smtpd_client_auth_rate_limit",
    "smtpd_client_connection_count_limit",
    "smtpd_client_connection_rate_limit",
    "smtpd_client_event_limit_exceptions",
    "smtpd_client_message_rate_limit",
    "smtpd_client_new_tls_session_rate_limit",
    "smtpd_client_port_logging",
    "smtpd_client_recipient_rate_limit",
    "smtpd_client_restrictions",
    "smtpd_command_filter",
    "smtpd_data_restrictions",
    "smtpd_delay_reject",
    "smtpd_discard_ehlo_keyword_address_maps",
    "smtpd_discard_ehlo_keywords",
    "smtpd_end_of_data_restrictions",
    "smtpd_enforce_tls",
    "smtpd_error_sleep_time",
    "smtpd_etrn_restrictions",
    "smtpd_forbid_bare_newline",
    "smtpd_forbid_bare_newline_exclusions",
    "smtpd_forbid_bare_newline_reject_code",
    "smtpd_forbid_unauth_pipelining",
    "smtpd_forbidden_commands",
    "smtpd_hard_error_limit",
    "smtpd_helo_required",
    "smtpd_helo_restrictions",
    "smtpd_history_flush_threshold",
    "smtpd_junk_command_limit",
    "smtpd_noop_commands",
    "smtpd_null_access_lookup_key",
    "smtpd_peername_lookup",
    "smtpd_policy_service_default_action",
    "smtpd_policy_service_policy_context",
    "smtpd_policy_service_retry_delay",
    "smtpd_policy_service_timeout",
    "smtpd_policy_service_try_limit",
    "smtpd_recipient_limit",
    "smtpd_recipient_overshoot_limit",
    "smtpd_recipient_restrictions",
    "smtpd_reject_footer",
    "smtpd_reject_footer_maps",
    "smtpd_reject_unlisted_recipient",
    "smtpd_reject_unlisted_sender",
    "smtpd_relay_before_recipient_restrictions",
    "smtpd_relay_restrictions",
    "smtpd_restriction_classes",
    "smtpd_sasl_auth_enable",
    "smtpd_sasl_authenticated_header",
    "smtpd_sasl_exceptions_networks",
    "smtpd_sasl_path",
    "smtpd_sasl_security_options",
    "smtpd_sasl_tls_security_options",
    "smtpd_sasl_type",
    "smtpd_sender_login_maps",
    "smtpd_sender_restrictions",
    "smtpd_soft_error_limit",
    "smtpd_timeout",
    "smtpd_tls_auth_only",
    "smtpd_tls_cert_file",
    "smtpd_tls_chain_files",
    "smtpd_tls_key_file",
    "smtpd_tls_loglevel",
    "smtpd_tls_received_header",
    "smtpd_tls_security_level",
    "smtpd_tls_wrappermode",
    "smtpd_use_tls",
    "smtputf8_enable",
    "soft_bounce",
    "stale_lock_time",
    "strict_7bit_headers",
    "strict_8bitmime",
    "strict_8bitmime_body",
    "strict_mailbox_ownership",
    "strict_mime_encoding_domain",
    "strict_rfc821_envelopes",
    "swap_bangpath",
    "syslog_name",
    "transport_maps",
    "transport_retry_time",
    "undisclosed_recipients_header",
    "unknown_address_reject_code",
    "unknown_address_tempfail_action",
    "unknown_client_reject_code",
    "unknown_helo_hostname_tempfail_action",
    "unknown_hostname_reject_code",
    "unknown_local_recipient_reject_code",
    "unknown_relay_recipient_reject_code",
    "unknown_virtual_alias_reject_code",
    "unknown_virtual_mailbox_reject_code",
    "unverified_recipient_defer_code",
    "unverified_recipient_reject_code",
    "unverified_recipient_reject_reason",
    "unverified_recipient_tempfail_action",
    "unverified_sender_defer_code",
    "unverified_sender_reject_code",
    "unverified_sender_reject_reason",
    "unverified_sender_tempfail_action",
    "virtual_alias_address_length_limit",
    "virtual_alias_domains",
    "virtual_alias_expansion_limit",
    "virtual_alias_maps",
    "virtual_alias_recursion_limit",
    "virtual_delivery_status_filter",
    "virtual_gid_maps",
    "virtual_mailbox_base",
    "virtual_mailbox_domains",
    "virtual_mailbox_limit",
    "virtual_mailbox_lock",
    "virtual_mailbox_maps",
    "virtual_maps",
    "virtual_minimum_uid",
    "virtual_transport",
    "virtual_uid_maps",
];

/// Settings of one transport, `TRANSPORT_what`, that the lab honours.
pub const OF_TRANSPORTS: [&str; 7] = [
    "_destination_concurrency_failed_cohort_limit",
    "_destination_concurrency_limit",
    "_destination_rate_delay",
    "_destination_recipient_limit",
    "_initial_destination_concurrency",
    "_time_limit",
    "_transport_rate_delay",
];

fn of_transport(name: &str) -> bool {
    OF_TRANSPORTS.iter().any(|what| name.ends_with(what))
}

/// Does a value hold `$name`, `${name...}` or `$(name)`?
fn refers(value: &str, name: &str) -> bool {
    value.match_indices('$').any(|(at, _)| {
        let rest = value[at + 1..].trim_start_matches(['{', '(']);
        rest.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    })
}

/// Does a parameter do something in the lab?
pub fn has_effect(name: &str) -> bool {
    HAS_EFFECT.binary_search(&name).is_ok() || of_transport(name)
}

impl Config {
    /// The parameters that someone set and that have no effect in the lab, with their places.
    /// Those that are there to be used as `$name` in another setting are left out, as are names that are
    /// no parameters.
    pub fn without_effect(&self) -> Vec<(Rc<str>, Place)> {
        self.settings()
            .filter(|(name, _)| super::parameters::find(name).is_some())
            .filter(|(name, _)| !has_effect(name))
            .filter(|(name, _)| !self.settings().any(|(_, other)| refers(&other.value, name)))
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

    /// The text of every source file of Postfix, but for the lists of parameters' names.
    fn sources() -> Vec<String> {
        const LISTS: [&str; 3] = ["config/effect.rs", "config/checks.rs", "config/parameters.rs"];
        let mut left = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/postfix"))];
        let mut texts = Vec::new();
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|e| e == "rs")
                && !LISTS.iter().any(|list| path.ends_with(list))
            {
                let text = std::fs::read_to_string(&path).unwrap();
                texts.push(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned());
            }
        }
        texts
    }

    /// The words in quotes that could be names of parameters; `{}` stands for what is filled in.
    fn literals(texts: &[String]) -> std::collections::BTreeSet<String> {
        let is_name = |word: &&str| {
            word.len() > 3 && word.chars().all(|c| c.is_ascii_alphanumeric() || "_{}.".contains(c))
        };
        texts.iter().flat_map(|t| t.split('"')).filter(is_name).map(str::to_owned).collect()
    }

    /// Does a name fit a literal with places to fill in?
    fn fits(name: &str, literal: &str) -> bool {
        let mut fixed = Vec::new();
        let mut rest = literal;
        while let Some((before, after)) = rest.split_once('{') {
            fixed.push(before);
            rest = after.split_once('}').map_or("", |(_, rest)| rest);
        }
        fixed.push(rest);
        if fixed.len() == 1 {
            return name == literal;
        }
        let Some(mut left) = name.strip_prefix(fixed[0]) else { return false };
        for part in &fixed[1..] {
            match left.find(part) {
                Some(at) => left = &left[at + part.len()..],
                None => return false,
            }
        }
        (rest.is_empty() || left.is_empty()) && fixed.iter().map(|f| f.len()).sum::<usize>() > 6
    }

    /// What stands before the names of parameters that are read by the rest of them.
    const PREFIXES: [&str; 3] = ["address_verify_", "smtp_", "lmtp_"];

    #[test]
    fn every_parameter_listed_is_named_in_the_code() {
        let literals = literals(&sources());
        let is_named = |name: &str| literals.iter().any(|literal| fits(name, literal));
        // One that others have for their default has its effect through them.
        let is_default = |name: &str| {
            let honoured = |p: &parameters::Parameter| HAS_EFFECT.binary_search(&p.name).is_ok();
            parameters::all().iter().any(|p| honoured(p) && refers(p.default, name))
        };
        let unnamed: Vec<_> = HAS_EFFECT
            .iter()
            .filter(|name| {
                !is_named(name)
                    && !is_default(name)
                    && !of_transport(name)
                    && !PREFIXES.iter().any(|p| name.strip_prefix(p).is_some_and(is_named))
            })
            .collect();
        assert!(unnamed.is_empty(), "listed, and read nowhere: {unnamed:?}");
    }

    #[test]
    fn every_parameter_read_is_listed() {
        const GETTERS: [&str; 9] =
            [".string(", ".yes(", ".int(", ".seconds(", ".list(", ".bool(", ".try_string(", ".raw(", "maps("];
        let mut unlisted = std::collections::BTreeSet::new();
        for text in sources() {
            for (at, getter) in GETTERS.iter().flat_map(|g| text.match_indices(g)) {
                let Some(quoted) = text[at + getter.len()..].trim_start().strip_prefix('"') else { continue };
                let name = quoted.split('"').next().unwrap_or_default();
                if parameters::find(name).is_some() && HAS_EFFECT.binary_search(&name).is_err() {
                    unlisted.insert(name.to_owned());
                }
            }
        }
        assert!(unlisted.is_empty(), "read, and not listed: {unlisted:?}");
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let facts = HostFacts { hostname: "vm".into(), addresses: vec![] };
        let text =
            "relayhost = x\ncolour = blue\nbiff = no\nmail_version = 4\nsmtpd_banner = v${mail_version}\n";
        let config = Config::parse(text, "/etc/postfix/main.cf", &facts, &[]).unwrap();
        let said = config.without_effect();
        assert_eq!(said.len(), 1);
        assert_eq!((&*said[0].0, said[0].1.to_string()), ("biff", "main.cf:3".into()));
    }
}

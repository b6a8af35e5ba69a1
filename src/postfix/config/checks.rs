//! What every program of Postfix checks when it has read main.cf, in the order in which the real
//! ones come upon it; the first error ends the program.
//!
//! # Simplifications
//! `mail_owner`, `setgid_group` and `default_privs` are not looked up in the user database.

use super::level::Level;
use super::{Config, ConfigError, host, typed};

/// Read before the host's name is determined.
const FIRST: &[&str] = &[
    "mail_version",
    "syslog_facility",
    "maillog_file_prefixes",
    "maillog_file_compressor",
    "maillog_file_rotate_suffix",
    "postlog_service_name",
    "daemon_table_open_error_is_fatal",
    "dns_ncache_ttl_fix_enable",
    "smtputf8_enable",
    "enable_idna2003_compatibility",
    "respectful_logging",
];

/// Read after it.
const THEN: &[&str] = &[
    "mail_name",
    "syslog_name",
    "mail_owner",
    "setgid_group",
    "mydestination",
    "myorigin",
    "relayhost",
    "daemon_directory",
    "data_directory",
    "command_directory",
    "meta_directory",
    "queue_directory",
    "shlib_directory",
    "process_id_directory",
    "inet_interfaces",
    "proxy_interfaces",
    "double_bounce_sender",
    "default_privs",
    "alias_database",
    "mail_release_date",
    "default_database_type",
    "hash_queue_names",
    "recipient_delimiter",
    "relay_domains",
    "mynetworks_style",
    "parent_domain_matches_subdomains",
    "default_verp_delimiters",
    "verp_delimiter_filter",
    "bounce_service_name",
    "cleanup_service_name",
    "defer_service_name",
    "pickup_service_name",
    "queue_service_name",
    "rewrite_service_name",
    "showq_service_name",
    "error_service_name",
    "flush_service_name",
    "address_verify_service_name",
    "trace_service_name",
    "proxymap_service_name",
    "proxywrite_service_name",
    "smtputf8_autodetect_classes",
    "info_log_address_format",
    "default_process_limit",
    "max_use",
    "dont_remove",
    "line_length_limit",
    "hash_queue_depth",
    "fork_attempts",
    "deliver_lock_attempts",
    "debug_peer_level",
    "fault_injection_code",
    "berkeley_db_create_buffer_size",
    "berkeley_db_read_buffer_size",
    "header_size_limit",
    "header_address_token_limit",
    "mime_nesting_limit",
    "mime_boundary_length_limit",
    "delay_logging_resolution_limit",
    "tcp_windowsize",
    "message_size_limit",
    "lmdb_map_size",
    "disable_dns_lookups",
    "soft_bounce",
    "owner_request_special",
    "strict_8bitmime",
    "strict_7bit_headers",
    "strict_8bitmime_body",
    "strict_mime_encoding_domain",
    "disable_mime_input_processing",
    "disable_mime_output_conversion",
    "address_verify_negative_cache",
    "backwards_bounce_logfile_compatibility",
    "helpful_warnings",
    "send_cyrus_sasl_authzid",
    "multi_instance_enable",
    "enable_long_queue_ids",
    "strict_smtputf8",
    "enable_original_recipient",
    "application_event_drain_time",
    "max_idle",
    "ipc_timeout",
    "ipc_idle",
    "ipc_ttl",
    "trigger_timeout",
    "fork_delay",
    "deliver_lock_delay",
    "stale_lock_time",
    "daemon_timeout",
    "in_flow_delay",
];

impl Config {
    /// Checks what every program checks at its start.
    ///
    /// # Errors
    /// The first thing that is wrong, as the real program says it.
    pub fn check_global(&self) -> Result<(), ConfigError> {
        Level::parse(&self.try_string("compatibility_level")?).map_err(ConfigError::new)?;
        self.check_all(FIRST)?;
        host::families(&self.try_string("inet_protocols")?).map_err(ConfigError::new)?;
        for name in ["myhostname", "mydomain"] {
            self.check(name)?;
        }
        for name in ["myhostname", "mydomain"] {
            self.check_hostname(name)?;
        }
        self.check_all(THEN)?;
        let (own, relayhost) = (self.try_string("myhostname")?, self.try_string("relayhost")?);
        if own.eq_ignore_ascii_case(&relayhost) {
            let text = format!("myhostname and relayhost parameter settings must not be identical: {own}");
            return Err(ConfigError::new(text));
        }
        self.mynetworks_default().map_err(ConfigError::new)?;
        self.check("mynetworks")?;
        let myorigin = self.try_string("myorigin")?;
        if typed::words(&myorigin).len() > 1 {
            let text = format!("myorigin parameter setting must not contain multiple values: {myorigin}");
            return Err(ConfigError::new(text));
        }
        Ok(())
    }

    fn check_all(&self, names: &[&str]) -> Result<(), ConfigError> {
        // Only what someone set can be wrong; a default may refer to it but is of the same kind.
        names.iter().filter(|name| self.setting(name).is_some()).try_for_each(|name| self.check(name))
    }

    fn check_hostname(&self, name: &str) -> Result<(), ConfigError> {
        let value = self.try_string(name)?;
        valid_hostname(&value).map_err(|why| {
            let fatal = format!("file {}: parameter {name}: bad parameter value: {value}", self.path());
            ConfigError::warned(format!("valid_hostname: {why}: {value}"), fatal)
        })
    }
}

/// Is this the syntax of a host's name (RFC 1035 section 2.3.1, RFC 1123 section 2.1)? If not, the
/// error is what the real program finds wrong with it.
pub fn valid_hostname(name: &str) -> Result<(), String> {
    const LONGEST_NAME: usize = 255;
    const LONGEST_LABEL: usize = 63;
    if name.is_empty() {
        return Err("empty hostname".into());
    }
    let bytes = name.as_bytes();
    let mut label = 0;
    let mut only_digits = true;
    for (i, &b) in bytes.iter().enumerate() {
        let next = bytes.get(i + 1);
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {
                label += 1;
                if label > LONGEST_LABEL {
                    return Err("label too long".into());
                }
                only_digits &= b.is_ascii_digit();
            }
            b'.' => {
                if label == 0 || next.is_none() {
                    return Err("misplaced delimiter".into());
                }
                label = 0;
            }
            b'-' => {
                only_digits = false;
                label += 1;
                if label == 1 || matches!(next, None | Some(b'.')) {
                    return Err("misplaced hyphen".into());
                }
            }
            _ => return Err(format!("invalid character {b}(decimal)")),
        }
    }
    if only_digits {
        return Err("numeric hostname".into());
    }
    if name.len() > LONGEST_NAME { Err("bad length".into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::HostFacts;
    use super::*;

    fn first_error(text: &str) -> String {
        let facts = HostFacts { hostname: "vm".into(), addresses: vec![] };
        let config = Config::parse(text, "c/main.cf", &facts, &[]).unwrap();
        match config.check_global() {
            Ok(()) => "fine".into(),
            Err(e) => e.warnings.into_iter().chain([e.fatal]).collect::<Vec<_>>().join(" | "),
        }
    }

    #[test]
    fn errors_in_the_order_of_the_real_programs() {
        for (text, want) in [
            ("", "fine"),
            ("relayhost=a b\nsmtpd_banner=${x\n", "fine"),
            (
                "myhostname=a b\nmail_name=\n",
                "valid_hostname: invalid character 32(decimal): a b | \
                 file c/main.cf: parameter myhostname: bad parameter value: a b",
            ),
            (
                "mydomain=-a\nmail_name=\n",
                "valid_hostname: misplaced hyphen: vm.-a | \
                 file c/main.cf: parameter myhostname: bad parameter value: vm.-a",
            ),
            ("myhostname = foo.\n", "bad string length 0 < 1: mydomain = "),
            ("myorigin=a b\nsoft_bounce=junk\n", "bad boolean configuration: soft_bounce = junk"),
            ("myorigin=a  b", "myorigin parameter setting must not contain multiple values: a  b"),
            (
                "mynetworks_style=foo\nin_flow_delay=junk\n",
                "parameter in_flow_delay: bad time value or unit: junk",
            ),
            ("mynetworks_style=foo\n", "unknown mynetworks mask style value \"foo\" in \"foo\""),
            (
                "mynetworks_style=host subnet\n",
                "bad mynetworks_style value: host subnet; specify exactly one value",
            ),
            (
                "inet_interfaces=nosuch\nmynetworks=1.2.3.4\n",
                "config variable inet_interfaces: host not found: nosuch",
            ),
            ("inet_protocols=foo\nmyhostname=\n", "unknown inet_protocols value \"foo\" in \"foo\""),
            (
                "inet_protocols=foo\nsmtputf8_enable=junk\n",
                "bad boolean configuration: smtputf8_enable = junk",
            ),
            ("compatibility_level=x\nsyslog_facility=\n", "malformed compatibility level syntax: \"x\""),
            (
                "relayhost=${x\nmyorigin=a b\n",
                "truncated macro reference: \"${x\" | dictionary mail_dict: macro processing error",
            ),
            (
                "myhostname=$mydomain\nmydomain=$myhostname\n",
                "unreasonable macro call nesting: \"myhostname\" | dictionary mail_dict: macro processing error",
            ),
        ] {
            assert_eq!(first_error(text), want, "{text}");
        }
    }
}

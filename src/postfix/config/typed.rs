//! Values that are numbers, times, booleans or lists, and the words of the real program for bad
//! ones.

use super::parameters::{self, Kind, Parameter};
use super::{Config, ConfigError};
use crate::world::clock::Duration;

impl Config {
    /// A parameter that is a number.
    ///
    /// # Errors
    /// A value that is no number, or beyond the parameter's limits.
    pub fn int(&self, name: &str) -> Result<i64, ConfigError> {
        let text = self.try_string(name)?;
        let kind = parameters::find(name).map_or(Kind::Int, |p| p.kind);
        let value = number(&text, kind)
            .ok_or_else(|| ConfigError::new(format!("bad numerical configuration: {name} = {text}")))?;
        in_limits(name, value, |value, sign, limit| {
            format!("invalid {name} parameter value {value} {sign} {limit}")
        })?;
        Ok(value)
    }

    /// A parameter that is a time, to the second.
    ///
    /// # Errors
    /// A bad number or unit, or a time beyond the parameter's limits.
    pub fn seconds(&self, name: &str) -> Result<Duration, ConfigError> {
        let text = self.try_string(name)?;
        let default = self.default_of(name).unwrap_or_default();
        let unit = self.expand(&default)?.bytes().last().filter(u8::is_ascii_alphabetic).unwrap_or(b's');
        let seconds = time(&text, unit)
            .ok_or_else(|| ConfigError::new(format!("parameter {name}: bad time value or unit: {text}")))?;
        in_limits(name, seconds, |value, sign, limit| {
            format!("invalid {name}: {value} ({} {limit})", if sign == '<' { "min" } else { "max" })
        })?;
        Ok(Duration::from_secs(seconds.unsigned_abs()))
    }

    /// A parameter that is `yes` or `no`.
    ///
    /// # Errors
    /// Any other value.
    pub fn bool(&self, name: &str) -> Result<bool, ConfigError> {
        let text = self.try_string(name)?;
        match &*text {
            t if t.eq_ignore_ascii_case("yes") => Ok(true),
            t if t.eq_ignore_ascii_case("no") => Ok(false),
            _ => Err(ConfigError::new(format!("bad boolean configuration: {name} = {text}"))),
        }
    }

    /// Checks a parameter's value against its type.
    ///
    /// # Errors
    /// What the real program ends with when it reads the parameter.
    pub fn check(&self, name: &str) -> Result<(), ConfigError> {
        let parameter = parameters::find(name);
        let kind = parameter.map(|p| p.kind).or_else(|| parameters::of_service(name).map(|(_, kind)| kind));
        match kind {
            Some(Kind::Int | Kind::Long) => self.int(name).map(drop),
            Some(Kind::Time) => self.seconds(name).map(drop),
            Some(Kind::Bool) => self.bool(name).map(drop),
            Some(Kind::Raw) => self.check_length(parameter, &self.raw(name).unwrap_or_default()),
            _ => self.check_length(parameter, &self.try_string(name)?),
        }
    }

    fn check_length(&self, parameter: Option<&Parameter>, text: &str) -> Result<(), ConfigError> {
        let Some(p) = parameter else { return Ok(()) };
        let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
        let bad = |sign, limit| {
            Err(ConfigError::new(format!("bad string length {length} {sign} {limit}: {} = {text}", p.name)))
        };
        match length {
            n if p.min > 0 && n < p.min => bad('<', p.min),
            n if p.max > 0 && n > p.max => bad('>', p.max),
            _ => Ok(()),
        }
    }
}

fn in_limits(name: &str, value: i64, text: impl Fn(i64, char, i64) -> String) -> Result<(), ConfigError> {
    let Some(p) = parameters::find(name) else { return Ok(()) };
    if p.min > 0 && value < p.min {
        return Err(ConfigError::new(text(value, '<', p.min)));
    }
    if p.max > 0 && value > p.max {
        return Err(ConfigError::new(text(value, '>', p.max)));
    }
    Ok(())
}

/// A decimal number as strtol(3) reads it, with nothing behind it.
fn number(text: &str, kind: Kind) -> Option<i64> {
    let value: i64 = text.trim_start_matches(super::main_cf::is_blank).parse().ok()?;
    (kind == Kind::Long || i32::try_from(value).is_ok()).then_some(value)
}

/// A time in seconds: numbers with a unit each, `1h30m`; `unit` is that of a bare number.
pub fn time(text: &str, unit: u8) -> Option<i64> {
    let mut rest = text.trim_start_matches(super::main_cf::is_blank).as_bytes();
    let mut total: i64 = 0;
    loop {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let value: i64 = std::str::from_utf8(&rest[..digits]).ok()?.parse().unwrap_or(match digits {
            0 => 0,
            _ => i64::MAX,
        });
        let (unit, after) = match rest.get(digits) {
            Some(unit) => (*unit, &rest[digits + 1..]),
            None => (unit, &rest[digits..]),
        };
        let seconds = match unit {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(value.checked_mul(seconds)?)?;
        i32::try_from(total).ok()?;
        if after.is_empty() {
            return Some(total);
        }
        rest = after;
    }
}

/// Where the first word of a text ends: what stands in braces is one word, braces and all.
pub fn word_end(text: &str, between: impl Fn(char) -> bool) -> usize {
    let mut depth = 0usize;
    let ends = |&(_, c): &(usize, char)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && between(c)
    };
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

/// The words of a list, between blanks and commas; what stands in braces is one word, braces and all.
pub fn words(text: &str) -> Vec<&str> {
    let between = |c: char| c == ',' || super::main_cf::is_blank(c);
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(between);
    while !rest.is_empty() {
        let end = word_end(rest, between);
        found.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(between);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::HostFacts;
    use super::*;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        let facts = HostFacts { hostname: "vm".into(), addresses: vec![] };
        let config = Config::parse(text, "main.cf", &facts, &[]).unwrap();
        let name = text.split('=').next().unwrap().trim();
        config.check(name).map_or_else(|e| e.fatal, |()| "fine".into())
    }

    #[test]
    fn bad_values_in_the_words_of_the_real_program() {
        for (text, want) in [
            ("message_size_limit = ten", "bad numerical configuration: message_size_limit = ten"),
            ("message_size_limit =", "bad numerical configuration: message_size_limit = "),
            ("message_size_limit = -5", "fine"),
            (
                "message_size_limit = 99999999999999999999",
                "bad numerical configuration: message_size_limit = 99999999999999999999",
            ),
            ("fork_attempts = 0x10", "bad numerical configuration: fork_attempts = 0x10"),
            ("fork_attempts = 010", "fine"),
            ("fork_attempts = +1", "fine"),
            ("fork_attempts = 99999999999", "bad numerical configuration: fork_attempts = 99999999999"),
            ("hash_queue_depth = 0", "invalid hash_queue_depth parameter value 0 < 1"),
            (
                "delay_logging_resolution_limit = 7",
                "invalid delay_logging_resolution_limit parameter value 7 > 6",
            ),
            ("queue_run_delay = 5x", "parameter queue_run_delay: bad time value or unit: 5x"),
            ("ipc_timeout = 5 m", "parameter ipc_timeout: bad time value or unit: 5 m"),
            ("ipc_timeout = -5s", "parameter ipc_timeout: bad time value or unit: -5s"),
            ("ipc_timeout = 0", "invalid ipc_timeout: 0 (min 1)"),
            ("ipc_timeout = m", "invalid ipc_timeout: 0 (min 1)"),
            ("in_flow_delay = 11", "invalid in_flow_delay: 11 (max 10)"),
            ("ipc_timeout = 1h30m", "fine"),
            ("ipc_timeout = 3551w", "parameter ipc_timeout: bad time value or unit: 3551w"),
            ("ipc_timeout = 2147483647", "fine"),
            ("ipc_timeout = 2147483648", "parameter ipc_timeout: bad time value or unit: 2147483648"),
            ("soft_bounce = maybe", "bad boolean configuration: soft_bounce = maybe"),
            ("soft_bounce = YES", "fine"),
            ("default_privs =", "bad string length 0 < 1: default_privs = "),
            ("default_verp_delimiters = +++", "bad string length 3 > 2: default_verp_delimiters = +++"),
        ] {
            assert_eq!(error(text), want, "{text}");
        }
    }

    #[test]
    fn a_bare_number_has_the_unit_of_the_default() {
        let facts = HostFacts { hostname: "vm".into(), addresses: vec![] };
        let c =
            Config::parse("delay_warning_time=4\nbounce_queue_lifetime=2\n", "main.cf", &facts, &[]).unwrap();
        assert_eq!(c.seconds("delay_warning_time").unwrap().as_secs(), 4 * 3600);
        assert_eq!(c.seconds("bounce_queue_lifetime").unwrap().as_secs(), 2 * 86_400);
        assert_eq!(c.seconds("smtpd_timeout").unwrap().as_secs(), 300);
    }

    #[test]
    fn lists() {
        assert_eq!(words(" a, b\tc,,{ d, e } f"), ["a", "b", "c", "{ d, e }", "f"]);
    }

    proptest! {
        #[test]
        fn no_time_is_too_long(text in "[0-9smhdwx +-]{0,40}") {
            let _ = time(&text, b's');
            let _ = words(&text);
        }
    }
}

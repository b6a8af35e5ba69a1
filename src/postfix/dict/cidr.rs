//! `cidr:` tables: networks and what belongs to them, searched from the top (cidr_table(5)).

use crate::postfix::config::main_cf::{is_blank, logical_lines};
use std::net::IpAddr;
use std::rc::Rc;

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: u128,
    mask: u128,
    v4: bool,
}

impl Network {
    /// Reads `192.0.2.0/24`, `192.0.2.1`, `2001:db8::/32`, `[2001:db8::]/32`.
    ///
    /// # Errors
    /// What the real program says of a bad one.
    pub fn parse(text: &str) -> Result<Network, String> {
        let (host, mask) = match text.split_once('/') {
            Some((host, mask)) => (host, Some(mask)),
            None => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() && mask.is_some() {
            return Err(format!("bad network value in \"{text}\""));
        }
        let address: IpAddr = bare.parse().map_err(|_| match mask {
            Some(_) => format!("bad network value in \"{text}\""),
            None => format!("bad address pattern: \"{text}\""),
        })?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match mask {
            None => width,
            Some(m) if m.is_empty() || !m.bytes().all(|b| b.is_ascii_digit()) => {
                return Err(format!("bad mask value in \"{text}\""));
            }
            Some(m) => match m.parse::<u32>() {
                Ok(bits) if bits <= width => bits,
                _ => return Err(format!("bad mask length in \"{text}\"")),
            },
        };
        let mask = if bits == 0 { 0 } else { (u128::MAX << (width - bits)) & (u128::MAX >> (128 - width)) };
        let number = number(address);
        if number & !mask != 0 {
            let network: IpAddr = match address {
                IpAddr::V4(_) => std::net::Ipv4Addr::from((number & mask) as u32).into(),
                IpAddr::V6(_) => std::net::Ipv6Addr::from(number & mask).into(),
            };
            return Err(format!(
                "non-null host address bits in \"{text}\", perhaps you should use \"{network}/{bits}\" instead"
            ));
        }
        Ok(Network { address: number, mask, v4: address.is_ipv4() })
    }

    /// Does an address belong to it?
    pub fn contains(&self, address: IpAddr) -> bool {
        self.v4 == address.is_ipv4() && number(address) & self.mask == self.address
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u32::from(a).into(),
        IpAddr::V6(a) => a.into(),
    }
}

/// A parsed table.
#[derive(Debug, Default)]
pub struct Cidr {
    rules: Vec<Rule>,
    /// What was wrong with the source.
    pub warnings: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    network: Network,
    negated: bool,
    line: u32,
    then: Then,
}

#[derive(Debug)]
enum Then {
    /// The result.
    Value(Rc<str>),
    /// The rule behind the matching `endif`, where the search goes on if this is not so.
    Else(usize),
}

impl Cidr {
    /// Parses a table, the text of the file `path`.
    pub fn parse(text: &str, path: &str) -> Cidr {
        let mut table = Cidr::default();
        let mut open: Vec<usize> = Vec::new();
        for logical in logical_lines(text) {
            let line = logical.line;
            let all = logical.text.trim_matches(is_blank);
            let word = all.split(is_blank).next().unwrap_or_default();
            let what = match word.to_ascii_lowercase().as_str() {
                "if" => rule(&all[2..], line, true).map(|rule| {
                    open.push(table.rules.len());
                    table.rules.push(rule);
                }),
                "endif" if word.len() < all.len() => Err("garbage after ENDIF".into()),
                "endif" => match open.pop() {
                    Some(start) => {
                        let end = table.rules.len();
                        table.rules[start].then = Then::Else(end);
                        Ok(())
                    }
                    None => Err("ENDIF without IF".into()),
                },
                _ => rule(all, line, false).map(|rule| table.rules.push(rule)),
            };
            if let Err(what) = what {
                table.warnings.push(format!("cidr map {path}, line {line}: {what}: skipping this rule"));
            }
        }
        for start in open.into_iter().rev() {
            let line = table.rules[start].line;
            table.warnings.push(format!("cidr map {path}, line {line}: IF has no matching ENDIF"));
        }
        table
    }

    /// The value for an address, and the line of its rule; nothing for what is no address.
    pub fn lookup(&self, key: &str) -> Option<(&Rc<str>, u32)> {
        let address: IpAddr = key.parse().ok()?;
        let mut next = 0;
        while let Some(rule) = self.rules.get(next) {
            next += 1;
            // A rule about IPv4 says nothing of IPv6, be it negated or not.
            let holds =
                rule.network.v4 == address.is_ipv4() && rule.network.contains(address) != rule.negated;
            match &rule.then {
                Then::Value(value) if holds => return Some((value, rule.line)),
                Then::Else(end) if !holds => next = *end,
                _ => {}
            }
        }
        None
    }
}

fn rule(text: &str, line: u32, condition: bool) -> Result<Rule, String> {
    let mut text = text.trim_matches(is_blank);
    let mut negated = false;
    while let Some(rest) = text.strip_prefix('!') {
        negated = !negated;
        text = rest.trim_start_matches(is_blank);
    }
    let end = text.find(is_blank).unwrap_or(text.len());
    let (pattern, value) = (&text[..end], text[end..].trim_start_matches(is_blank));
    match (condition, value.is_empty()) {
        (true, false) => return Err("garbage after pattern".into()),
        (true, true) if pattern.is_empty() => return Err("no address pattern".into()),
        (false, true) => return Err("no lookup result".into()),
        _ => {}
    }
    let network = Network::parse(pattern)?;
    // An `if` that is never closed leads past the end.
    let then = if condition { Then::Else(usize::MAX) } else { Then::Value(value.into()) };
    Ok(Rule { network, negated, line, then })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &str = "192.0.2.0/24 a\n192.0.2.1 b\n192.0.3.1/24 hostbits\n10.0.0.0/8x bad\n10.0.0.0/33 bad\n\
        foo bar\n10.1.1.1\n2001:db8::/32 six\n[2001:db9::]/32 sixb\n!10.0.0.0/8\nif 172.16.0.0/12\n172.16.1.1 in\n\
        endif\nif !172.16.0.0/12\n1.2.3.4 out\nendif x\nendif\n::ffff:1.1.1.1 mapped\nif 1.1.1.0/24\n300.1.1.1 x\n\
        1.2.3 y\n01.2.3.4 oct\n/8 z\n";

    #[test]
    fn as_the_real_program_reads_it() {
        let table = Cidr::parse(REAL, "ci");
        let want = [
            "line 3: non-null host address bits in \"192.0.3.1/24\", perhaps you should use \"192.0.3.0/24\" instead: skipping this rule",
            "line 4: bad mask value in \"10.0.0.0/8x\": skipping this rule",
            "line 5: bad mask length in \"10.0.0.0/33\": skipping this rule",
            "line 6: bad address pattern: \"foo\": skipping this rule",
            "line 7: no lookup result: skipping this rule",
            "line 10: no lookup result: skipping this rule",
            "line 16: garbage after ENDIF: skipping this rule",
            "line 20: bad address pattern: \"300.1.1.1\": skipping this rule",
            "line 21: bad address pattern: \"1.2.3\": skipping this rule",
            "line 22: bad address pattern: \"01.2.3.4\": skipping this rule",
            "line 23: bad network value in \"/8\": skipping this rule",
            "line 19: IF has no matching ENDIF",
        ];
        assert_eq!(table.warnings, want.map(|w| format!("cidr map ci, {w}")));
        for (key, want) in [
            ("192.0.2.1", Some("a")),
            ("192.0.3.5", None),
            ("10.1.1.1", None),
            ("2001:db8::1", Some("six")),
            ("2001:DB9::1", Some("sixb")),
            ("[2001:db8::1]", None),
            ("172.16.1.1", Some("in")),
            ("1.2.3.4", Some("out")),
            ("1.1.1.1", None),
            ("foo", None),
        ] {
            assert_eq!(table.lookup(key).map(|(v, _)| &**v), want, "{key}");
        }
        assert_eq!(table.lookup("172.16.1.1").unwrap().1, 12);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[0-9a./:!\\[\\] \nifend]{0,60}") {
            let _ = Cidr::parse(&text, "f").lookup("1.2.3.4");
        }
        #[test]
        fn a_network_contains_its_address(a in any::<u32>(), bits in 0u32..=32) {
            let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
            let ip = std::net::Ipv4Addr::from(a);
            let network = Network::parse(&format!("{}/{bits}", std::net::Ipv4Addr::from(a & mask))).unwrap();
            prop_assert!(network.contains(ip.into()));
            prop_assert_eq!(network.contains(std::net::Ipv4Addr::from(!a).into()), bits == 0);
        }
    }
}

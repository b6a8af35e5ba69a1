//! Addresses: their two forms, their parts, and lists of them in headers.
//!
//! The *internal* form is what programs compare: `user@domain` with nothing quoted. The
//! *external* form is what stands in headers and commands: a local part that needs it is
//! quoted ([`quote`]). Lists are read leniently, as mail programs must (RFC 5322, section 4.4).

mod list;
mod token;

pub use list::HeaderAddresses;

use std::borrow::Cow;
use token::{Token, tokens};

/// The addresses in a text such as a header's value, in internal form.
pub fn parse_list(text: &str) -> Vec<String> {
    HeaderAddresses::parse(text).into_addresses()
}

/// The address in the argument of MAIL, RCPT or VRFY, in internal form; empty for `<>`. `None`
/// where it is none, or more than one.
pub fn extract(argument: &str) -> Option<String> {
    if let Some(address) = ordinary(argument) {
        return is_valid_hostname(domain(address).unwrap_or_default()).then(|| address.to_owned());
    }
    let mut all = HeaderAddresses::parse(argument).into_addresses();
    let address = match all.len() {
        0 if tokens(argument).contains(&Token::Special('<')) => return Some(String::new()),
        1 => all.remove(0),
        _ => return None,
    };
    let route = address.starts_with('@');
    let good = !route && domain(&address).is_none_or(is_valid_domain) && !address.starts_with('@');
    good.then_some(address)
}

/// Does an argument hold its address alone, without names or comments (RFC 5321, section 4.1.2)?
pub fn is_strict(argument: &str) -> bool {
    let inner = argument.strip_prefix('<').and_then(|a| a.strip_suffix('>')).unwrap_or(argument);
    let all = tokens(inner);
    !all.iter().any(|t| matches!(t, Token::Comment(_) | Token::Special('<' | '>' | ',' | ';')))
}

/// The address in an argument that has nothing to be taken apart: `<user@domain>`, of letters,
/// digits and the commonest signs. Nearly all mail has only such ones, and no tokens are made of them.
fn ordinary(argument: &str) -> Option<&str> {
    let inner = argument.strip_prefix('<')?.strip_suffix('>')?;
    let (local, domain) = inner.split_once('@')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+' | b'=');
    (!local.is_empty() && !domain.is_empty() && local.bytes().all(plain) && domain.bytes().all(plain))
        .then_some(inner)
}

/// The part behind the last `@`; `None` without one.
pub fn domain(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, d)| d)
}

/// The external form: `"a b"@example.com` (RFC 5321, section 4.1.2).
pub fn quote(address: &str) -> Cow<'_, str> {
    let (local, domain) = address.split_at(address.rfind('@').unwrap_or(address.len()));
    if !needs_quotes(local) {
        return Cow::Borrowed(address);
    }
    let mut out = String::with_capacity(address.len() + 2);
    out.push('"');
    for c in local.chars() {
        if matches!(c, '"' | '\\' | '\r') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out.push_str(domain);
    Cow::Owned(out)
}

/// Is there something in a local part that only quotes let stand?
fn needs_quotes(local: &str) -> bool {
    let special = |c: char| {
        c.is_control()
            || matches!(c, ' ' | '(' | ')' | '<' | '>' | '@' | ',' | ';' | ':' | '\\' | '"' | '[' | ']')
    };
    local.contains(special) || local.starts_with('.') || local.ends_with('.') || local.contains("..")
}

/// A display name, quoted if it needs to be (RFC 5322, section 3.2.5).
pub fn quote_phrase(name: &str) -> String {
    let special = |c: char| c.is_control() || "()<>[]:;@\\,.\"".contains(c);
    if !name.contains(special) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A local part without its extension, and the extension; addresses of the mail system itself
/// (`owner-list`, `list-request`, `mailer-daemon` …) have none.
pub fn split_extension<'l>(local: &'l str, delimiters: &str) -> (&'l str, Option<&'l str>) {
    const OWN: [&str; 5] = ["mailer-daemon", "postmaster", "double-bounce", "owner-", "-request"];
    let lower = local.to_ascii_lowercase();
    let reserved = delimiters.is_empty()
        || OWN[..3].contains(&lower.as_str())
        || (delimiters.contains('-') && (lower.starts_with(OWN[3]) || lower.ends_with(OWN[4])));
    match local.char_indices().skip(1).find(|(_, c)| delimiters.contains(*c)) {
        Some((at, c)) if !reserved => (&local[..at], Some(&local[at + c.len_utf8()..])),
        _ => (local, None),
    }
}

/// Could this be a host's name (RFC 1123, section 2.1)? At most 255 octets in labels of at most 63,
/// and not digits alone.
pub fn is_valid_hostname(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b >= 0x80)
    };
    !name.is_empty()
        && name.len() <= 255
        && name.split('.').all(label)
        && !name.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Could this stand behind the `@`: a host's name, or an address in brackets (RFC 5321, section 4.1.3)?
pub fn is_valid_domain(domain: &str) -> bool {
    match domain.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|literal| {
            let v6 = literal.get(..5).filter(|p| p.eq_ignore_ascii_case("IPv6:"));
            match v6 {
                Some(_) => literal[5..].parse::<std::net::Ipv6Addr>().is_ok(),
                None => literal.parse::<std::net::Ipv4Addr>().is_ok(),
            }
        }),
        None => is_valid_hostname(domain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_server_takes_for_an_address() {
        let cases: [(&str, Option<&str>); 14] = [
            ("<>", Some("")),
            ("<bob@example.net>", Some("bob@example.net")),
            ("bob@example.net", Some("bob@example.net")),
            ("<\"alice\"@example.com>", Some("alice@example.com")),
            ("<\"carol@example.org\"@example.com>", Some("carol@example.org@example.com")),
            ("<carol@example.org@example.com>", Some("carol@example.org@example.com")),
            ("<@example.com:carol@example.org>", Some("carol@example.org")),
            ("<example.org!carol@example.com>", Some("example.org!carol@example.com")),
            ("<alice@[192.0.2.25]>", Some("alice@[192.0.2.25]")),
            ("<postmaster>", Some("postmaster")),
            ("<@>", None),
            ("<bob example.net>", None),
            ("<bob@example..net>", None),
            ("<alice@[192.0.2]>", None),
        ];
        for (text, expected) in cases {
            assert_eq!(extract(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn extensions() {
        assert_eq!(split_extension("alice+news", "+"), ("alice", Some("news")));
        assert_eq!(split_extension("+alice", "+"), ("+alice", None));
        assert_eq!(split_extension("owner-list", "-"), ("owner-list", None));
        assert_eq!(split_extension("a-b+c", "+-"), ("a", Some("b+c")));
    }

    #[test]
    fn names_of_hosts() {
        for good in ["example.com", "a", "xn--bcher-kva.example", "example.com."] {
            assert!(is_valid_hostname(good), "{good}");
        }
        for bad in ["", ".", "a..b", "-a.b", "a-.b", "192.0.2.1", "a b", &"x".repeat(64)] {
            assert!(!is_valid_hostname(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(local in "[a-z \"\\\\@<>(),.!%-]{1,12}") {
            let address = format!("{local}@example.com");
            prop_assert_eq!(parse_list(&quote(&address)), vec![address]);
        }

        #[test]
        fn any_text_is_a_list(text in "\\PC{0,60}") {
            let _ = parse_list(&text);
            let _ = extract(&text);
        }

        #[test]
        fn an_ordinary_address_is_what_its_tokens_say(address in "[a-z0-9.+=_-]{1,8}@[a-z0-9.-]{1,12}") {
            let argument = format!("<{address}>");
            prop_assert!(ordinary(&argument).is_some());
            // A blank before it is no part of it, and has it read by its tokens.
            prop_assert_eq!(extract(&argument), extract(&format!(" {argument}")));
        }
    }
}

//! Password databases: who knows a user, and is the password right?
//!
//! # Simplifications
//! The drivers are `pam` (which asks /etc/shadow), `shadow`, `passwd`, `passwd-file` and `static`.
//! Of the password schemes there are PLAIN, CLEARTEXT, CRYPT and its kinds, and PLAIN-MD5.

use super::conf::Block;
use crate::trace::{Decision, Outcome};
use crate::world::passwd;
use crate::world::process::Process;
use md5::{Digest, Md5};

/// What a password database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the user's password.
    Right,
    /// It is not.
    Mismatch,
    /// No such user here.
    Unknown,
}

/// A user's password as a database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// `PLAIN`, `SHA512-CRYPT` …
    pub scheme: String,
    /// What follows the scheme.
    pub value: String,
}

/// Is the password the user's, as far as the databases of a configuration know? The first that knows
/// the user decides.
pub fn verify(p: &Process, conf: &Block, user: &str, password: &str) -> Verdict {
    let mut verdict = Verdict::Unknown;
    for passdb in conf.all("passdb") {
        let driver = passdb.setting("driver").unwrap_or_default();
        let found = match lookup(p, passdb, user) {
            None => Verdict::Unknown,
            Some(stored) if stored.scheme == "NOPASSWORD" || matches(&stored, password) => Verdict::Right,
            Some(_) => Verdict::Mismatch,
        };
        p.decide(|| Decision {
            rule: format!("passdb {driver}").into(),
            setting: "passdb".into(),
            place: passdb.place.clone(),
            compared: format!("{user} and the password given"),
            outcome: Outcome::Becomes(
                match found {
                    Verdict::Right => "right",
                    Verdict::Mismatch => "Password mismatch",
                    Verdict::Unknown => "unknown user",
                }
                .into(),
            ),
        });
        match found {
            Verdict::Right => return Verdict::Right,
            Verdict::Mismatch => verdict = Verdict::Mismatch,
            Verdict::Unknown => {}
        }
    }
    verdict
}

/// The password of a user in the first database that knows it, for mechanisms that must have it.
pub fn credentials(p: &Process, conf: &Block, user: &str) -> Option<Stored> {
    conf.all("passdb").find_map(|passdb| lookup(p, passdb, user))
}

/// Can any of the databases tell passwords themselves, as CRAM-MD5 needs?
pub fn tells_passwords(conf: &Block) -> bool {
    conf.all("passdb").any(|s| !matches!(s.setting("driver"), Some("pam")))
}

/// What a database has for a user.
fn lookup(p: &Process, passdb: &Block, user: &str) -> Option<Stored> {
    let args = passdb.setting("args").unwrap_or_default();
    let argument = |name: &str| {
        args.split_whitespace().find_map(|a| a.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    match passdb.setting("driver")? {
        "pam" | "shadow" | "passwd" => {
            let text = p.read_text("/etc/shadow").ok()?;
            let entry = passwd::shadow_of(&text, user)?;
            Some(Stored { scheme: "CRYPT".into(), value: entry.hash })
        }
        "passwd-file" => {
            let path = args.split_whitespace().find(|a| a.starts_with('/'))?;
            let scheme = argument("scheme").unwrap_or_else(|| "CRYPT".into());
            let text = p.read_text(path).ok()?;
            let line = text.lines().find(|l| l.split(':').next() == Some(user) && !user.is_empty())?;
            Some(stored(line.split(':').nth(1).unwrap_or_default(), &scheme))
        }
        "static" => match argument("password") {
            Some(password) => Some(stored(&password, "PLAIN")),
            None => Some(Stored { scheme: "NOPASSWORD".into(), value: String::new() }),
        },
        _ => None,
    }
}

/// `{SCHEME}value`
fn stored(text: &str, default: &str) -> Stored {
    match text.strip_prefix('{').and_then(|t| t.split_once('}')) {
        Some((scheme, value)) => Stored { scheme: scheme.to_ascii_uppercase(), value: value.into() },
        None => Stored { scheme: default.to_ascii_uppercase(), value: text.into() },
    }
}

fn matches(stored: &Stored, password: &str) -> bool {
    match stored.scheme.as_str() {
        "PLAIN" | "CLEAR" | "CLEARTEXT" => stored.value == password,
        "PLAIN-MD5" => stored.value == hex(&Md5::digest(password.as_bytes())),
        _ => passwd::verify(&stored.value, password),
    }
}

/// Octets in hexadecimal digits.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|b| format!("{b:02x}")).collect()
}

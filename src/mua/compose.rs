//! A letter, and the octets made of it: header fields in s-nail's order, then the body, encoded
//! where it must be (RFC 5322, RFC 2045).

use super::header::{address_field, text_field};
use super::mime::{Transfer, examine};
use super::names::Name;
use super::settings::Settings;
use crate::world::clock::Time;
use crate::world::host::Host;

/// What s-nail calls itself.
pub const USER_AGENT: &str = "s-nail v14.9.24";

/// A letter about to be sent.
#[derive(Clone, Debug, Default)]
pub struct Letter {
    /// Who it is from, where that is said.
    pub from: Vec<Name>,
    /// Who sent it for them.
    pub sender: Vec<Name>,
    /// To whom it goes.
    pub to: Vec<Name>,
    /// Who gets a copy.
    pub cc: Vec<Name>,
    /// Who gets a copy that the others do not know of.
    pub bcc: Vec<Name>,
    /// Where answers go.
    pub reply_to: Vec<Name>,
    /// Its subject, if it has one.
    pub subject: Option<String>,
    /// Its number, where it brings one.
    pub message_id: Option<String>,
    /// Which letter it answers.
    pub in_reply_to: Option<String>,
    /// Which letters came before.
    pub references: Option<String>,
    /// Other fields.
    pub custom: Vec<(String, String)>,
    /// Files that go with it: name and content.
    pub attachments: Vec<(String, Vec<u8>)>,
    /// Its text.
    pub body: Vec<u8>,
}

/// No character set of the settings can say what the letter says.
#[derive(Debug, PartialEq, Eq)]
pub struct NoCharset;

/// How one part of a letter travels.
struct Part {
    transfer: Transfer,
    content_type: String,
}

impl Letter {
    /// All who get it, in order.
    pub fn recipients(&self) -> impl Iterator<Item = &Name> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }

    /// Names each recipient once, where it first stands.
    pub fn unique(&mut self) {
        let mut seen: Vec<Name> = Vec::new();
        for list in [&mut self.to, &mut self.cc, &mut self.bcc] {
            list.retain(|name| {
                let new = !seen.iter().any(|s| s.same(name));
                if new {
                    seen.push(name.clone());
                }
                new
            });
        }
    }

    /// The octets that sendmail(1) gets.
    ///
    /// # Errors
    /// When the letter has octets that the user's character set does not know.
    pub fn to_bytes(
        &self,
        settings: &Settings,
        charset: &str,
        host: &Host,
        now: Time,
    ) -> Result<Vec<u8>, NoCharset> {
        let body = part(&self.body, settings, charset)?;
        if charset != "utf-8" && !self.is_ascii() {
            return Err(NoCharset);
        }
        let mut out = Vec::with_capacity(self.body.len() + 512);
        let encoded = self.header(&mut out, settings, host, now);
        if self.attachments.is_empty() {
            if encoded || body.transfer != Transfer::SevenBit {
                out.extend_from_slice(b"MIME-Version: 1.0\n");
                part_header(&mut out, &body, None);
            }
            out.push(b'\n');
            out.extend_from_slice(&body.transfer.encode(&self.body));
        } else {
            self.multipart(&mut out, &body, settings, charset, host)?;
        }
        Ok(out)
    }

    fn is_ascii(&self) -> bool {
        let names = |list: &[Name]| list.iter().all(|n| n.full.is_ascii());
        self.subject.as_deref().unwrap_or_default().is_ascii()
            && [&self.from, &self.to, &self.cc, &self.reply_to].into_iter().all(|l| names(l))
            && self.custom.iter().all(|(_, v)| v.is_ascii())
    }

    fn header(&self, out: &mut Vec<u8>, settings: &Settings, host: &Host, now: Time) -> bool {
        let mut encoded = false;
        let mut addresses = |out: &mut Vec<u8>, name: &str, list: &[Name]| {
            if !list.is_empty() {
                encoded |= address_field(out, name, list.iter().map(|n| n.full.as_str()));
            }
        };
        text_field(out, "Date", &now.strftime("%a, %d %b %Y %H:%M:%S %z"));
        addresses(out, "From", &self.from);
        addresses(out, "Sender", &self.sender);
        addresses(out, "To", &self.to);
        addresses(out, "Cc", &self.cc);
        if let Some(subject) = &self.subject {
            encoded |= text_field(out, "Subject", subject);
        }
        if let Some(id) = self.message_id.clone().or_else(|| self.new_message_id(settings, host, now)) {
            out.extend_from_slice(format!("Message-ID: {id}\n").as_bytes());
        }
        for (name, value) in [("In-Reply-To", &self.in_reply_to), ("References", &self.references)] {
            if let Some(value) = value {
                text_field(out, name, value);
            }
        }
        if !self.reply_to.is_empty() {
            encoded |= address_field(out, "Reply-To", self.reply_to.iter().map(|n| n.full.as_str()));
        }
        text_field(out, "User-Agent", USER_AGENT);
        for (name, value) in &self.custom {
            encoded |= text_field(out, name, value);
        }
        encoded
    }

    /// A number is made only where the user's address or host is known by a setting; otherwise
    /// that is left to the mail system.
    fn new_message_id(&self, settings: &Settings, host: &Host, now: Time) -> Option<String> {
        let date = now.strftime("%Y%m%d%H%M%S");
        if let Some(name) = settings.get("hostname") {
            return Some(format!("<{date}.{}@{name}>", random_word(host, 8)));
        }
        let from = self.from.first()?;
        from.address.contains('@').then(|| format!("<{date}.{}%{}>", random_word(host, 5), from.address))
    }

    fn multipart(
        &self,
        out: &mut Vec<u8>,
        body: &Part,
        settings: &Settings,
        charset: &str,
        host: &Host,
    ) -> Result<(), NoCharset> {
        let boundary = format!("=-={}=-=", random_word(host, 35));
        let open = format!("\n--{boundary}\n");
        out.extend_from_slice(b"MIME-Version: 1.0\nContent-Type: multipart/mixed;\n");
        out.extend_from_slice(format!(" boundary=\"{boundary}\"\n").as_bytes());
        out.extend_from_slice(b"\nThis is a multi-part message in MIME format.\n");
        out.extend_from_slice(open.as_bytes());
        part_header(out, body, Some("inline"));
        out.push(b'\n');
        out.extend_from_slice(&body.transfer.encode(&self.body));
        for (name, content) in &self.attachments {
            let mut how = part(content, settings, charset).unwrap_or(Part {
                transfer: Transfer::Base64,
                content_type: "application/octet-stream".to_owned(),
            });
            if let Some(known) = type_by_name(name) {
                how = Part {
                    transfer: if how.transfer == Transfer::SevenBit {
                        how.transfer
                    } else {
                        Transfer::Base64
                    },
                    content_type: known.to_owned(),
                };
            }
            out.extend_from_slice(open.as_bytes());
            part_header(out, &how, Some(&format!("attachment; filename=\"{}\"", name.replace('"', "\\\""))));
            out.push(b'\n');
            out.extend_from_slice(&how.transfer.encode(content));
        }
        out.extend_from_slice(format!("\n--{boundary}--\n").as_bytes());
        Ok(())
    }
}

fn part_header(out: &mut Vec<u8>, part: &Part, disposition: Option<&str>) {
    out.extend_from_slice(format!("Content-Type: {}\n", part.content_type).as_bytes());
    if let Some(encoding) = part.transfer.name() {
        out.extend_from_slice(format!("Content-Transfer-Encoding: {encoding}\n").as_bytes());
    }
    if let Some(disposition) = disposition {
        out.extend_from_slice(format!("Content-Disposition: {disposition}\n").as_bytes());
    }
}

/// How some content travels, `charset` being that of the user's locale.
fn part(content: &[u8], settings: &Settings, charset: &str) -> Result<Part, NoCharset> {
    let found = examine(content);
    let octets = |transfer| Part { transfer, content_type: "application/octet-stream".to_owned() };
    let text =
        |transfer, charset: &str| Part { transfer, content_type: format!("text/plain; charset={charset}") };
    if found.binary {
        return Ok(octets(Transfer::Base64));
    }
    if found.eight_bit {
        if charset != "utf-8" || std::str::from_utf8(content).is_err() {
            return if settings.on("mime-force-sendout") {
                Ok(octets(Transfer::Base64))
            } else {
                Err(NoCharset)
            };
        }
        let eight =
            settings.get("mime-encoding").is_some_and(|e| e.eq_ignore_ascii_case("8bit")) && !found.fragile;
        let base = settings.get("mime-encoding").is_some_and(|e| e.eq_ignore_ascii_case("base64"));
        let transfer = match (eight, base) {
            (true, _) => Transfer::EightBit,
            (_, true) => Transfer::Base64,
            _ => Transfer::QuotedPrintable,
        };
        return Ok(text(transfer, charset));
    }
    Ok(text(if found.fragile { Transfer::QuotedPrintable } else { Transfer::SevenBit }, "us-ascii"))
}

/// The content types that s-nail knows by a file's name.
fn type_by_name(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "zip" => "application/zip",
        "gz" => "application/gzip",
        "tar" => "application/x-tar",
        _ => return None,
    })
}

fn random_word(host: &Host, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..length).map(|_| char::from(LETTERS[host.random(64) as usize])).collect()
}

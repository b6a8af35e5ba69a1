//! XCLIENT and XFORWARD (XCLIENT_README, XFORWARD_README): a client that may says on whose behalf
//! it speaks.

use super::session::{Next, Session};
use crate::postfix::dict::MatchList;
use crate::postfix::ipc::ClientInfo;
use crate::proto::address;
use crate::proto::smtp::command::Words;
use crate::proto::smtp::xtext_decode;
use std::net::IpAddr;
use std::rc::Rc;

/// A value that stands for none, and for none for now.
const UNAVAILABLE: &str = "[UNAVAILABLE]";
const TEMPUNAVAIL: &str = "[TEMPUNAVAIL]";

impl Session<'_> {
    /// Is the client in a list of hosts?
    pub fn is_in(&self, hosts: &MatchList) -> bool {
        let c = &self.client;
        c.address.is_some_and(|a| hosts.find_client(Some(&c.name), a).is_ok_and(|f| f.is_some()))
    }

    /// `XCLIENT name=value…`: the session begins anew with another client.
    pub async fn xclient(&mut self, words: &Words<'_>) -> Next {
        if self.transaction.is_some() {
            return self.fault("503 5.5.1 Error: MAIL transaction in progress");
        }
        if words.len() < 2 {
            return self.fault("501 5.5.4 Syntax: XCLIENT attribute=value...");
        }
        if !self.is_in(&self.settings.xclient_hosts) {
            return self.fault("550 5.7.0 Error: insufficient authorization");
        }
        for n in 1..words.len() {
            let word = words.get(n).unwrap_or_default();
            let (name, value) = match attribute(word) {
                Ok(pair) => pair,
                Err(reply) => return self.fault(&reply),
            };
            if let Err(reply) = self.set_client(&name, &value) {
                return self.fault(&reply);
            }
        }
        self.introduce();
        self.reset();
        self.last = "CONNECT";
        self.denied = self.checks.connect(self).await.err();
        match &self.denied {
            Some(reject) => self.fault(&reject.line()),
            // The greeting begins a session anew: nothing is counted as done.
            None => {
                self.reply(&format!("220 {}", self.settings.banner));
                Next::Begun
            }
        }
    }

    fn set_client(&mut self, name: &str, value: &str) -> Result<(), String> {
        let c = &mut self.client;
        let (missing, temporary) = (value == UNAVAILABLE || value == TEMPUNAVAIL, value == TEMPUNAVAIL);
        match name {
            "NAME" | "REVERSE_NAME" => {
                if !missing && !address::is_valid_hostname(value) {
                    return Err(format!("501 5.5.4 Bad hostname syntax: {value}"));
                }
                let new: Rc<str> = if missing { "unknown".into() } else { value.into() };
                let (field, trouble) = match name {
                    "NAME" => (&mut c.name, &mut self.name_trouble.name),
                    _ => (&mut c.reverse_name, &mut self.name_trouble.reverse),
                };
                (*field, *trouble) = (new, temporary);
            }
            "ADDR" if missing => (c.address, c.shown_address) = (None, "unknown".into()),
            "ADDR" => {
                let address =
                    parse_address(value).ok_or_else(|| format!("501 5.5.4 Bad address syntax: {value}"))?;
                (c.address, c.shown_address) = (Some(address), address.to_string().into());
            }
            "PORT" => c.port = port(value, missing)?,
            "HELO" if missing => self.helo = "".into(),
            "HELO" => self.helo = value.into(),
            "PROTO" => match &*value.to_ascii_uppercase() {
                "SMTP" => self.esmtp = false,
                "ESMTP" => self.esmtp = true,
                _ => return Err(format!("501 5.5.4 Bad protocol syntax: {value}")),
            },
            "LOGIN" if missing => self.login = None,
            "LOGIN" if self.settings.sasl_enabled => {
                self.login = Some(super::sasl::Login { method: "XCLIENT".into(), user: value.into() });
            }
            "DESTADDR" | "DESTPORT" => {
                let Some(server) = &mut c.server else { return Ok(()) };
                if name == "DESTPORT" {
                    server.set_port(port(value, missing)?);
                } else if let Some(address) = parse_address(value) {
                    server.set_ip(address);
                } else if !missing {
                    return Err(format!("501 5.5.4 Bad address syntax: {value}"));
                }
            }
            _ => return Err(format!("501 5.5.4 Bad XCLIENT attribute name: {name}")),
        }
        Ok(())
    }

    /// `XFORWARD name=value…`: on whose behalf the next message comes, for the log.
    pub fn xforward(&mut self, words: &Words<'_>) -> Next {
        if self.transaction.is_some() {
            return self.fault("503 5.5.1 Error: MAIL transaction in progress");
        }
        if words.len() < 2 {
            return self.fault("501 5.5.4 Syntax: XFORWARD attribute=value...");
        }
        if !self.is_in(&self.settings.xforward_hosts) {
            return self.fault("550 5.7.0 Error: insufficient authorization");
        }
        let mut origin = self.forwarded.take().unwrap_or_else(|| ClientInfo {
            name: "unknown".into(),
            shown_address: "unknown".into(),
            ..ClientInfo::default()
        });
        for n in 1..words.len() {
            let word = words.get(n).unwrap_or_default();
            let (name, value) = match attribute(word) {
                Ok(pair) => pair,
                Err(reply) => return self.fault(&reply),
            };
            let missing = value == UNAVAILABLE;
            let text: Rc<str> = if missing { "unknown".into() } else { value.as_str().into() };
            match name.as_str() {
                "NAME" => origin.name = text,
                "ADDR" => {
                    origin.address = parse_address(&value);
                    origin.shown_address = origin.address.map_or(text, |a| a.to_string().into());
                }
                "PORT" => match port(&value, missing) {
                    Ok(port) => origin.port = port,
                    Err(reply) => return self.fault(&reply),
                },
                "HELO" => origin.helo = if missing { "".into() } else { text },
                "PROTO" => origin.protocol = text,
                "SOURCE" if missing || matches!(&*value, "LOCAL" | "REMOTE") => {}
                "SOURCE" => return self.fault(&format!("501 5.5.4 Bad SOURCE value: {value}")),
                "IDENT" => self.forwarded_id = (!missing).then_some(text),
                _ => return self.fault(&format!("501 5.5.4 Bad XFORWARD attribute name: {name}")),
            }
        }
        self.forwarded = Some(origin);
        self.done("250 2.0.0 Ok")
    }
}

/// `NAME=value`, the name in upper case and the value read from xtext.
fn attribute(word: &str) -> Result<(String, String), String> {
    let (name, value) =
        word.split_once('=').ok_or_else(|| "501 5.5.4 Error: attribute=value expected".to_owned())?;
    let bad = || format!("501 5.5.4 Bad attribute value syntax: {value}");
    let value = xtext_decode(value).filter(|v| v.bytes().all(|b| (32..127).contains(&b))).ok_or_else(bad)?;
    Ok((name.to_ascii_uppercase(), value))
}

fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text.get(..5).filter(|p| p.eq_ignore_ascii_case("IPv6:")).map_or(text, |p| &text[p.len()..]);
    bare.parse().ok()
}

fn port(value: &str, missing: bool) -> Result<u16, String> {
    if missing {
        return Ok(0);
    }
    value.parse().map_err(|_| format!("501 5.5.4 Bad TCP client port number syntax: {value}"))
}

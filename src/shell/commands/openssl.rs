//! openssl(1), of which there is `s_client`: a dialogue in TLS.
//!
//! # Simplifications
//! The certificate itself, the session ticket and the octets of the handshake are not printed, since
//! there are none. Of the options those are obeyed that are named below; `R` at the beginning of a
//! line says what TLS 1.3 says of it.

use super::options::{NONE, Options};
use super::telnet::{converse, port, resolve, with_crlf};
use super::tool::Tool;
use crate::world::process::Process;
use crate::world::stream::Stream;
use crate::world::tls::{self, Tls};
use std::net::{IpAddr, SocketAddr};

/// The most that a server may say before TLS begins, in octets.
const PRELUDE: usize = 1 << 16;
/// How s_client calls itself where SMTP asks for a name.
const NAME: &str = "mail.example.com";

/// What OpenSSL says of an answer that is not TLS.
const WRONG_VERSION: &str =
    "error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../ssl/record/ssl3_record.c:354:\n";
/// What s_client tells of a handshake that came to nothing.
const NOT_AGREED: &str = "---\nno peer certificate available\n---\nNo client certificate CA names sent\n---\n\
    Verification: OK\n---\nNew, (NONE), Cipher is (NONE)\nSecure Renegotiation IS NOT supported\n\
    Compression: NONE\nExpansion: NONE\nNo ALPN negotiated\nEarly data was not sent\n\
    Verify return code: 0 (ok)\n---\n";

/// What the command line asks for.
#[derive(Default)]
struct Wanted {
    to: Option<String>,
    starttls: Option<String>,
    quiet: bool,
    crlf: bool,
}

/// openssl(1)
pub async fn main(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let args = tool.p.args();
    let mut args = args.iter().map(|a| a.to_string());
    match args.next().as_deref() {
        Some("s_client") => {}
        Some("version") => {
            tool.line("OpenSSL 3.0.15 3 Sep 2024 (Library: OpenSSL 3.0.15 3 Sep 2024)").await;
            return tool.done().await;
        }
        Some(other) => {
            tool.p.eprint(format!("Invalid command '{other}'; type \"help\" for a list.\n")).await;
            return 1;
        }
        None => {
            let options = Options {
                usage: "s_client -connect HOST:PORT [-starttls PROTOCOL] [-crlf] [-quiet]",
                ..NONE
            };
            tool.p.eprint(format!("usage: openssl {}\n", options.usage)).await;
            return 1;
        }
    }
    let mut wanted = Wanted::default();
    while let Some(arg) = args.next() {
        // One dash or two: both are taken.
        match arg.trim_start_matches('-') {
            "connect" => wanted.to = args.next(),
            "starttls" => wanted.starttls = args.next(),
            "quiet" => wanted.quiet = true,
            "crlf" => wanted.crlf = true,
            "servername" | "CAfile" | "CApath" | "verify" => drop(args.next()),
            "ign_eof" | "brief" | "tls1_2" | "tls1_3" | "showcerts" | "noservername" => {}
            _ if arg.starts_with('-') => {
                let name = arg.trim_start_matches('-');
                tool.p
                    .eprint(format!("s_client: Unknown option: -{name}\ns_client: Use -help for summary.\n"))
                    .await;
                return 1;
            }
            _ => wanted.to = Some(arg),
        }
    }
    s_client(tool, wanted).await
}

async fn s_client(mut tool: Tool, wanted: Wanted) -> i32 {
    let to = wanted.to.clone().unwrap_or_else(|| "localhost:4433".to_owned());
    let Some((name, service)) = to.rsplit_once(':') else {
        tool.p.eprint("s_client: -connect argument or target parameter malformed or ambiguous\n").await;
        return 1;
    };
    let name = name.trim_matches(['[', ']']);
    let addresses = match resolve(&tool.p, name).await {
        Ok(addresses) => addresses,
        Err(why) => {
            tool.p.eprint(format!("BIO_lookup_ex:system lib:{why}\nconnect:errno=0\n")).await;
            return 1;
        }
    };
    let Some(number) = port(&tool.p, service) else {
        tool.p
            .eprint("BIO_lookup_ex:system lib:Servname not supported for ai_socktype\nconnect:errno=0\n")
            .await;
        return 1;
    };
    let Some(stream) = called(&tool, addresses, number).await else { return 1 };
    if !wanted.quiet {
        tool.put("CONNECTED(00000003)\n").await;
        tool.flush().await;
    }
    let greeting = match begin(&stream, wanted.starttls.as_deref()).await {
        Ok(greeting) => greeting,
        Err(why) => {
            tool.p.eprint(format!("{why}\n")).await;
            return 1;
        }
    };
    if !greeting.offers {
        tool.p.eprint("Didn't find STARTTLS in server response, trying anyway...\n").await;
        // Whatever the server says of it: TLS is tried.
        let _ = ask(&stream, "STARTTLS").await;
    }
    let Ok(tls) = tls::connect(&stream).await else {
        tool.p.eprint(WRONG_VERSION).await;
        if !wanted.quiet {
            tool.put(NOT_AGREED).await;
        }
        tool.flush().await;
        return 1;
    };
    let name = &tls.certificate;
    tool.p
        .eprint(format!(
            "depth=0 CN = {name}\nverify error:num=18:self-signed certificate\nverify return:1\n\
             depth=0 CN = {name}\nverify return:1\n"
        ))
        .await;
    if !wanted.quiet {
        tool.put(agreed(&tls)).await;
        tool.flush().await;
    }
    if !greeting.last.is_empty() {
        tool.p.eprint(format!("{}\n", greeting.last)).await;
    }
    if wanted.quiet {
        converse(&mut tool, &stream, wanted.crlf, None).await;
        return tool.done().await;
    }
    with_letters(&mut tool, &stream, wanted.crlf).await
}

async fn called(tool: &Tool, addresses: Vec<IpAddr>, number: u16) -> Option<Stream> {
    for address in addresses {
        match tool.p.connect(SocketAddr::new(address, number), None).await {
            Ok(stream) => return Some(stream),
            Err(e) => tool.p.eprint(format!("BIO_connect:{e}\nconnect:{e}\n")).await,
        }
    }
    None
}

/// What was said before TLS begins.
#[derive(Default)]
struct Greeting {
    /// The last line of the answer in which the server says what it can do.
    last: String,
    /// Does it offer TLS?
    offers: bool,
}

/// Speaks to the server until TLS may begin.
async fn begin(stream: &Stream, protocol: Option<&str>) -> Result<Greeting, String> {
    let (capabilities, command) = match protocol {
        None => return Ok(Greeting { last: String::new(), offers: true }),
        Some("smtp" | "lmtp") => (Some(format!("EHLO {NAME}")), "STARTTLS"),
        Some("pop3") => (None, "STLS"),
        Some("imap") => (Some(". CAPABILITY".to_owned()), ". STARTTLS"),
        Some(other) => return Err(format!("s_client: Invalid value \"{other}\" for option starttls")),
    };
    let mut said = answer(stream).await?;
    let mut offers = true;
    if let Some(line) = capabilities {
        said = ask(stream, &line).await?;
        offers = said.contains("STARTTLS");
    }
    if offers {
        ask(stream, command).await?;
    }
    Ok(Greeting { last: said.rsplit("\r\n").next().unwrap_or_default().to_owned(), offers })
}

async fn ask(stream: &Stream, line: &str) -> Result<String, String> {
    stream.write(format!("{line}\r\n")).await.map_err(|e| e.to_string())?;
    answer(stream).await
}

/// A whole answer.
async fn answer(stream: &Stream) -> Result<String, String> {
    let mut all = Vec::new();
    loop {
        let read = stream.read().await.map_err(|e| e.to_string())?;
        if read.is_empty() || all.len() > PRELUDE {
            return Err("the connection was closed".to_owned());
        }
        all.extend_from_slice(&read);
        let text = String::from_utf8_lossy(&all);
        let Some(whole) = text.strip_suffix("\r\n") else { continue };
        let last = whole.rsplit("\r\n").next().unwrap_or_default();
        if last.as_bytes().get(3) != Some(&b'-') && !last.starts_with("* CAPABILITY") {
            return Ok(whole.to_owned());
        }
    }
}

/// What was agreed, as s_client tells it.
fn agreed(tls: &Tls) -> String {
    let name = &tls.certificate;
    format!(
        "---\nCertificate chain\n 0 s:CN = {name}\n   i:CN = {name}\n---\nServer certificate\n\
         subject=CN = {name}\nissuer=CN = {name}\n---\nNo client certificate CA names sent\n\
         Peer signing digest: SHA256\nPeer signature type: RSA-PSS\nServer Temp Key: X25519, 253 bits\n---\n\
         Verification error: self-signed certificate\n---\nNew, {}, Cipher is {}\n\
         Server public key is 2048 bit\nVerify return code: 18 (self-signed certificate)\n---\n",
        tls.protocol, tls.cipher
    )
}

/// The dialogue where a line that begins with Q ends it, and one that begins with R is no command
/// of the server's: what surprises everybody once who types RCPT.
async fn with_letters(tool: &mut Tool, stream: &Stream, crlf: bool) -> i32 {
    use crate::world::timer::{Either, race};
    loop {
        match race(stream.read(), tool.p.read_stdin(65536)).await {
            Either::Left(Ok(bytes)) if !bytes.is_empty() => {
                tool.put(bytes).await;
                tool.flush().await;
            }
            Either::Left(_) => {
                tool.p.eprint("closed\n").await;
                return 0;
            }
            Either::Right(bytes) => {
                match bytes.first() {
                    None | Some(b'Q') => {
                        tool.p.eprint("DONE\n").await;
                        stream.end();
                        return 0;
                    }
                    Some(b'R') => {
                        tool.p
                        .eprint("RENEGOTIATING\nerror:0A00010A:SSL routines:can_renegotiate:wrong ssl version\n")
                        .await;
                    }
                    Some(_) => {
                        let bytes = if crlf { with_crlf(&bytes) } else { bytes.to_vec() };
                        if stream.write(bytes).await.is_err() {
                            return 1;
                        }
                    }
                }
            }
        }
    }
}

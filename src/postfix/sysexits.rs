//! What a command's end means: its exit status (sysexits.h), the signal that ended it, or a status
//! code of its own in front of its output.

use super::deliver::Dsn;

/// The statuses that mean something: number, enhanced status code, text.
const KNOWN: [(i32, &str, &str); 15] = [
    (64, "5.3.0", "command line usage error"),
    (65, "5.6.0", "data format error"),
    (66, "5.3.0", "cannot open input"),
    (67, "5.1.1", "user unknown"),
    (68, "5.1.2", "host name unknown"),
    (69, "5.3.0", "service unavailable"),
    (70, "5.3.0", "internal software error"),
    (71, "4.3.0", "system resource problem"),
    (72, "5.3.0", "critical OS file missing"),
    (73, "5.2.0", "can't create user output file"),
    (74, "5.3.0", "input/output error"),
    (75, "4.3.0", "temporary failure"),
    (76, "5.5.0", "remote error in protocol"),
    (77, "5.7.0", "permission denied"),
    (78, "5.3.5", "local configuration error"),
];

/// What came of a command; nothing to say where all went well. A status over 128 is a signal.
pub fn failure(status: i32, command: &str, output: &str) -> Option<Dsn> {
    if status == 0 {
        return None;
    }
    if is_signal(status) {
        let signal = status - 128;
        let text = format!("Command died with signal {signal}: \"{command}\"");
        return Some(dsn("4.3.0", text, &format!("unknown mail system error {status}"), output));
    }
    if let Some((code, text)) = own_code(output) {
        let mut dsn = Dsn::new(code, text);
        dsn.diagnostic_type = "x-unix".into();
        dsn.diagnostic_text = text.into();
        return Some(dsn);
    }
    Some(match KNOWN.iter().find(|(n, ..)| *n == status) {
        Some((_, code, text)) => dsn(code, (*text).to_owned(), text, output),
        None => {
            let text = format!("Command died with status {status}: \"{command}\"");
            dsn("5.3.0", text, &format!("unknown mail system error {status}"), output)
        }
    })
}

/// Does an exit status stand for a signal that ended the command?
pub fn is_signal(status: i32) -> bool {
    (129..160).contains(&status)
}

/// A command that ran out of time.
pub fn out_of_time(command: &str, output: &str) -> Dsn {
    let text = format!("Command time limit exceeded: \"{command}\"");
    dsn("5.3.0", text, "mail system error: time limit exceeded", output)
}

fn dsn(code: &str, text: String, detail: &str, output: &str) -> Dsn {
    let (text, detail) = match output {
        "" => (text, detail),
        output => (format!("{text}. Command output: {output}"), output),
    };
    let mut dsn = Dsn::new(code, text);
    dsn.diagnostic_type = "x-unix".into();
    dsn.diagnostic_text = detail.into();
    dsn
}

/// A status code that a text begins with (RFC 3463), and what stands behind it.
pub fn own_code(output: &str) -> Option<(&str, &str)> {
    let end = output.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(output.len());
    let (code, text) = output.split_at(end);
    let mut parts = code.split('.');
    let class = parts.next().filter(|c| ["2", "4", "5"].contains(c));
    let number = |n: &str| (1..=3).contains(&n.len());
    let is_code = class.is_some()
        && parts.next().is_some_and(number)
        && parts.next().is_some_and(number)
        && parts.next().is_none();
    let ends = text.is_empty() || text.starts_with(|c: char| c.is_ascii_whitespace());
    (is_code && ends).then(|| (code, text.trim_start()))
}

/// Output as it is told to people: one line, without what cannot be printed. Beyond ASCII, UTF-8 is left.
pub fn printable(output: &[u8]) -> String {
    let mut out = String::with_capacity(output.len());
    for chunk in output.utf8_chunks() {
        out.extend(chunk.valid().chars().map(|c| match c {
            c if c.is_ascii_whitespace() || c == '\x0b' => ' ',
            c if c.is_ascii_control() => '_',
            c => c,
        }));
        out.extend(std::iter::repeat_n('_', chunk.invalid().len()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the real agent.
    #[test]
    fn what_a_status_says() {
        for (status, output, code, reason) in [
            (1, "", "5.3.0", "Command died with status 1: \"x\""),
            (2, "one two ", "5.3.0", "Command died with status 2: \"x\". Command output: one two "),
            (67, "", "5.1.1", "user unknown"),
            (67, "no such person ", "5.1.1", "user unknown. Command output: no such person "),
            (75, "", "4.3.0", "temporary failure"),
            (137, "", "4.3.0", "Command died with signal 9: \"x\""),
            (1, "5.7.9 go away ", "5.7.9", "go away "),
            (1, "4.7.9 later ", "4.7.9", "later "),
            (67, "5.7.9 ", "5.7.9", ""),
            (1, "5.7 no code", "5.3.0", "Command died with status 1: \"x\". Command output: 5.7 no code"),
        ] {
            let dsn = failure(status, "x", output).unwrap();
            assert_eq!((&*dsn.status, &*dsn.reason), (code, reason), "{status} {output}");
        }
        assert_eq!(failure(0, "x", "fine"), None);
    }

    #[test]
    fn output_is_one_printable_line() {
        assert_eq!(printable(b"a\tb\x01c\x80d\n\n  e  \n"), "a b_c_d    e   ");
        assert_eq!(printable("café\u{1}".as_bytes()), "café_");
    }
}

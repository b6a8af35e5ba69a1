//! What a recipe asks: the conditions behind its asterisks (procmailrc(5), procmailsc(5)).

use super::rc::Flags;
use super::recipe::Procmail;
use super::regex::{Occurrence, Regex};
use super::word::Word;
use crate::trace::{Decision, Outcome, Place};
use bytes::Bytes;
use std::borrow::Cow;

/// A score never goes beyond this, and a recipe that reaches it applies at once.
const MOST: f64 = 2_147_483_647.0;

/// `^TO_` and its kin, and what stands for them.
const MACROS: [(&str, &str); 4] = [
    (
        "^FROM_DAEMON",
        "(^(Mailing-List:|Precedence:.*(junk|bulk|list)|To: Multiple recipients of |(((Resent-)?(From|Sender)|X-Envelope-From):|>?From )([^>]*[^(.%@a-z0-9])?(Post(ma?(st(e?r)?|n)|office)|(send)?Mail(er)?|daemon|m(mdf|ajordomo)|n?uucp|LIST(SERV|proc)|NETSERV|o(wner|ps)|r(e(quest|sponse)|oot)|b(ounce|bs\\.smtp)|echo|mirror|s(erv(ices?|er)|mtp(error)?|ystem)|A(dmin(istrator)?|MMGR|utoanswer))(([^).!:a-z0-9][-_a-z0-9]*)?[%@>\t ][^<)]*(\\(.*\\).*)?)?$([^>]|$)))",
    ),
    (
        "^FROM_MAILER",
        "(^(((Resent-)?(From|Sender)|X-Envelope-From):|>?From )([^>]*[^(.%@a-z0-9])?(Post(ma(st(er)?|n)|office)|(send)?Mail(er)?|daemon|mmdf|n?uucp|ops|r(esponse|oot)|(bbs\\.)?smtp(error)?|s(erv(ices?|er)|ystem)|A(dmin(istrator)?|MMGR))(([^).!:a-z0-9][-_a-z0-9]*)?[%@>\t ][^<)]*(\\(.*\\).*)?)?$([^>]|$))",
    ),
    (
        "^TO_",
        "(^((Original-)?(Resent-)?(To|Cc|Bcc)|(X-Envelope|Apparently(-Resent)?)-To):(.*[^-a-zA-Z0-9_.])?)",
    ),
    ("^TO", "(^((Original-)?(Resent-)?(To|Cc|Bcc)|(X-Envelope|Apparently(-Resent)?)-To):(.*[^a-zA-Z])?)"),
];

/// A condition taken apart.
struct Condition {
    negated: bool,
    /// `w^x`.
    weight: Option<(f64, f64)>,
    /// What is looked at, if it is not what the flags say: header and body, or a variable.
    area: Option<Area>,
    test: Test,
    /// As the log shows it.
    shown: String,
}

enum Area {
    Parts { header: bool, body: bool },
    Variable(String),
}

enum Test {
    Larger(f64),
    Smaller(f64),
    Command,
    Matches,
}

/// What is known of a recipe's conditions so far.
#[derive(Default)]
pub struct Score {
    /// The sum of the weights.
    total: f64,
    weighed: bool,
}

impl Score {
    /// Does the recipe apply, none of its plain conditions having failed?
    pub fn applies(&self) -> bool {
        !self.weighed || self.total > 0.0
    }
}

impl Procmail {
    /// Asks all conditions of a recipe.
    pub async fn conditions_hold(&mut self, flags: Flags, conditions: &[(u32, String)]) -> bool {
        let mut score = Score::default();
        for (line, text) in conditions {
            if !self.condition(flags, *line, text, &mut score).await {
                self.score = score.total;
                return false;
            }
            if score.total >= MOST {
                break;
            }
        }
        self.score = score.total;
        score.applies()
    }

    /// Asks one condition; false when the recipe is out of the question.
    async fn condition(&mut self, flags: Flags, line: u32, text: &str, score: &mut Score) -> bool {
        let condition = self.read_condition(text).await;
        let area = self.area(flags, &condition).into_owned();
        let before = score.total;
        let met = match condition.test {
            Test::Larger(limit) => self.compare_size(&condition, flags, limit, false, score),
            Test::Smaller(limit) => self.compare_size(&condition, flags, limit, true, score),
            Test::Command => self.ask_command(&condition, area, score).await,
            Test::Matches => self.ask_regex(&condition, flags, &area, score).await,
        };
        score.total = score.total.clamp(-MOST, MOST);
        let bang = if condition.negated { "! " } else { "" };
        if condition.weight.is_some() {
            score.weighed = true;
            let (change, total) = ((score.total - before) as i64, score.total as i64);
            self.tell(|| format!("Score: {change:7} {total:7} {bang}\"{}\"", condition.shown)).await;
        } else {
            let word = if met { "Match" } else { "No match" };
            self.tell(|| format!("{word} on {bang}\"{}\"", condition.shown)).await;
        }
        self.p.decide(|| Decision {
            rule: "condition".into(),
            setting: format!("* {text}").into(),
            place: Place::line(self.rcfile.clone(), line),
            compared: format!("{bang}{}", condition.shown),
            outcome: match condition.weight {
                Some(_) => Outcome::Becomes(format!("score {}", score.total as i64).into()),
                None if met => Outcome::Yes,
                None => Outcome::No,
            },
        });
        met || condition.weight.is_some()
    }

    async fn read_condition(&mut self, text: &str) -> Condition {
        let mut condition =
            Condition { negated: false, weight: None, area: None, test: Test::Matches, shown: String::new() };
        let mut rest = text.to_owned();
        loop {
            rest = rest.trim_start_matches([' ', '\t']).to_owned();
            if let Some(tail) = rest.strip_prefix('!') {
                condition.negated = !condition.negated;
                rest = tail.to_owned();
            } else if let Some(tail) = rest.strip_prefix('$') {
                rest = self.expand(&Word::from_text(tail.trim_start_matches([' ', '\t']))).await;
            } else if let Some((weight, tail)) = weight(&rest) {
                condition.weight = Some(weight);
                rest = tail.to_owned();
            } else if let Some((area, tail)) = area(&rest) {
                condition.area = Some(area);
                rest = tail.to_owned();
            } else {
                break;
            }
        }
        let limit = |t: &str| leading_number(t.trim_start()).unwrap_or(0.0);
        match rest.chars().next() {
            Some('>') => condition.test = Test::Larger(limit(&rest[1..])),
            Some('<') => condition.test = Test::Smaller(limit(&rest[1..])),
            Some('?') => {
                condition.test = Test::Command;
                rest.remove(0);
                if rest.split_whitespace().next() != Some("test") {
                    rest = rest.trim_start_matches([' ', '\t']).to_owned();
                }
            }
            // A backslash in front lets an expression begin with anything.
            Some('\\') => drop(rest.remove(0)),
            _ => {}
        }
        if matches!(condition.test, Test::Matches) {
            for (name, stands_for) in MACROS {
                if rest.contains(name) {
                    rest = rest.replace(name, stands_for);
                }
            }
        }
        condition.shown = rest;
        condition
    }

    fn area<'a>(&'a self, flags: Flags, condition: &Condition) -> Cow<'a, [u8]> {
        let (header, body) = match &condition.area {
            Some(Area::Variable(name)) => return Cow::Owned(self.var(name).into_bytes()),
            Some(Area::Parts { header, body }) => (*header, *body),
            None => (flags.has('H') || !flags.has('B'), flags.has('B')),
        };
        match (header, body) {
            (true, true) => self.message.unfolded(),
            (false, true) => Cow::Borrowed(self.message.body()),
            _ => self.message.unfolded_header(),
        }
    }

    fn compare_size(&self, c: &Condition, _: Flags, limit: f64, smaller: bool, score: &mut Score) -> bool {
        let size = match &c.area {
            Some(Area::Variable(name)) => self.var(name).len(),
            Some(Area::Parts { header, body }) => self.message.parts(*header, *body).len(),
            None => self.message.bytes().len(),
        } as f64;
        if let Some((w, x)) = c.weight {
            let ratio = if smaller { limit / size.max(1.0) } else { size / limit.max(1.0) };
            score.total += w * ratio.powf(x);
            return true;
        }
        (if smaller { size < limit } else { size > limit }) != c.negated
    }

    async fn ask_command(&mut self, c: &Condition, input: Vec<u8>, score: &mut Score) -> bool {
        let command = self.command(&c.shown).await;
        let ran = self.run(&command, Bytes::from(input), false).await;
        self.speak_of_failure(&ran, false).await;
        let status = ran.status.unwrap_or(127);
        if let Some((w, x)) = c.weight {
            score.total += match (c.negated, status) {
                (false, 0) => w,
                (false, _) => x,
                (true, n) => series(w, x, n.unsigned_abs() as usize),
            };
            return true;
        }
        (status == 0) != c.negated
    }

    async fn ask_regex(&mut self, c: &Condition, flags: Flags, text: &[u8], score: &mut Score) -> bool {
        let (regex, valid) = Regex::new(&c.shown, flags.has('D'));
        if !valid {
            self.tell(|| format!("Invalid regexp \"{}\"", c.shown)).await;
        }
        let first = regex.find(text, 0);
        if let (Some(m), false) = (first, c.negated)
            && let Some(mark) = m.mark
        {
            self.tell(|| "Assigning \"MATCH=\"".to_owned()).await;
            let matched = String::from_utf8_lossy(&text[mark..m.end]).into_owned();
            self.tell(|| format!("Matched \"{matched}\"")).await;
            self.p.set_var("MATCH", Some(&matched));
        }
        let Some((w, x)) = c.weight else { return first.is_some() != c.negated };
        if c.negated {
            score.total += if first.is_none() { w } else { 0.0 };
            return true;
        }
        let mut term = w;
        for occurrence in regex.occurrences(text) {
            if occurrence == Occurrence::Endless {
                // The sum of the terms that would follow.
                score.total += if x.abs() < 1.0 { term / (1.0 - x) } else { term.signum() * MOST };
                break;
            }
            score.total += term;
            term *= x;
            if term == 0.0 || term.abs() < 1e-9 || score.total.abs() > MOST {
                break;
            }
        }
        true
    }
}

/// w + w·x + w·x² …, n terms.
fn series(w: f64, x: f64, n: usize) -> f64 {
    (0..n).scan(w, |term, _| Some(std::mem::replace(term, *term * x))).sum()
}

fn leading_number(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// `w^x` in front of a condition.
fn weight(text: &str) -> Option<((f64, f64), &str)> {
    let caret = text.find('^')?;
    let w: f64 = text[..caret].trim_end().parse().ok()?;
    let tail = &text[caret + 1..];
    let end = tail.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(tail.len());
    let x: f64 = tail[..end].parse().ok()?;
    (w.is_finite() && x.is_finite()).then_some(((w, x), &tail[end..]))
}

/// `NAME ??` in front of a condition.
fn area(text: &str) -> Option<(Area, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|n| *n > 0)?;
    let tail = text[end..].trim_start_matches([' ', '\t']).strip_prefix("??")?;
    let name = &text[..end];
    let area = match name {
        "H" | "B" | "HB" | "BH" => Area::Parts { header: name.contains('H'), body: name.contains('B') },
        name => Area::Variable(name.to_owned()),
    };
    Some((area, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_front() {
        assert_eq!(weight("-25^0 ^From"), Some(((-25.0, 0.0), " ^From")));
        assert_eq!(weight("3^0.5 c").map(|w| w.0), Some((3.0, 0.5)));
        assert!(weight("^From").is_none() && weight("a^b").is_none());
        assert!(matches!(area("TICKET ?? ^^47"), Some((Area::Variable(v), " ^^47")) if v == "TICKET"));
        assert!(matches!(area("HB ??x"), Some((Area::Parts { header: true, body: true }, "x"))));
    }

    #[test]
    fn sums_of_a_series() {
        assert_eq!(series(3.0, 4.0, 1), 3.0);
        assert_eq!(series(2.0, 2.0, 18), 524_286.0);
    }
}

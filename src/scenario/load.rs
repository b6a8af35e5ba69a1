//! From a file to a [`Scenario`]: every key known, every value of its kind, every name of a host
//! one that is there.

mod hosts;
mod steps;

pub use steps::some_of;

use super::model::{Host, Scenario, Span, Trouble};
use super::problem::{Problem, did_you_mean};
use super::yaml::{self, Kind, Node};
use crate::proto::dns::Zone;
use crate::world::clock::{Duration, Time};
use indexmap::IndexMap;

const TOP: [&str; 7] = ["title", "summary", "clock", "seed", "dns", "hosts", "steps"];

/// Reads a scenario.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn load(source: &str) -> Result<Scenario, Problem> {
    let root = yaml::parse(source)?;
    Loader::new(source).scenario(&root)
}

/// Reads a fault as a step of a scenario has it: `refuse: mx.example.org 25`.
///
/// # Errors
/// What is wrong with it.
pub fn fault(text: &str, hosts: &IndexMap<String, Host>) -> Result<Trouble, Problem> {
    let node = yaml::parse(text)?;
    Loader::new(text).trouble(&node, hosts)
}

/// Reads what stands in a file's tree, and points into the file where something is wrong.
pub struct Loader<'s> {
    source: &'s str,
}

/// The pairs of a map whose keys have been checked.
pub struct Fields<'n> {
    span: Span,
    all: Vec<Field<'n>>,
}

/// A key and its value.
#[derive(Clone, Copy)]
pub struct Field<'n> {
    /// The key's text.
    pub name: &'n str,
    /// The key.
    pub key: &'n Node,
    /// What it stands for.
    pub value: &'n Node,
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is there.
    pub fn find(&self, name: &str) -> Option<&'n Node> {
        self.all.iter().find(|f| f.name == name).map(|f| f.value)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When it is not there: `what` has none.
    pub fn require(&self, name: &str, what: &str) -> Result<&'n Node, Problem> {
        self.find(name).ok_or_else(|| {
            let head = self.span.start..(self.span.start + 1).min(self.span.end);
            Problem::new(head, format!("{what} has no `{name}`"))
                .expected(format_args!("`{name}:` among its keys"))
        })
    }
}

impl<'s> Loader<'s> {
    /// A loader for the file of this text, of which nodes are a part.
    pub fn new(source: &'s str) -> Loader<'s> {
        Loader { source }
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn scenario(&self, root: &Node) -> Result<Scenario, Problem> {
        let fields = self.fields(root, "a scenario", &TOP)?;
        let title = self.text(fields.require("title", "the scenario")?)?;
        let summary = fields.find("summary").map_or(Ok(String::new()), |n| self.text(n))?;
        let clock = fields.find("clock").map_or(Ok(Time::DEFAULT), |n| self.clock(n))?;
        let seed = fields.find("seed").map_or(Ok(1), |n| self.number(n))?;
        let zone = fields.find("dns").map_or(Ok(Zone::default()), |n| self.zone(n))?;
        let hosts = self.hosts(fields.require("hosts", "the scenario")?)?;
        let steps = match fields.find("steps") {
            Some(node) => self
                .list(node, "a list of steps")?
                .iter()
                .map(|n| self.step(n, &hosts))
                .collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        Ok(Scenario { title, summary, clock, seed, zone, hosts, steps })
    }

    fn zone(&self, node: &Node) -> Result<Zone, Problem> {
        let text = self.scalar(node)?;
        Zone::parse(text).map_err(|e| {
            let lines = yaml::text_lines(self.source, node);
            let line = lines.get(e.line - 1).map_or(node.span.clone(), |(_, span)| span.clone());
            let start = (line.start + e.column).min(line.end);
            let span = start..(start + e.len).min(line.end);
            Problem::new(span, e.message)
                .expected(e.expected)
                .note("dns lines are `name [ttl] [class] type data`")
        })
    }

    fn clock(&self, node: &Node) -> Result<Time, Problem> {
        let text = self.scalar(node)?;
        let instant: Result<jiff::Timestamp, _> = text.parse();
        instant.ok().and_then(|t| u64::try_from(t.as_nanosecond()).ok()).map(Time::from_nanos).ok_or_else(
            || {
                Problem::new(node.span.clone(), format!("`{text}` is not a time"))
                    .expected("a time such as 2021-01-04T14:45:00Z")
            },
        )
    }

    fn duration(&self, node: &Node) -> Result<Duration, Problem> {
        let text = self.scalar(node)?;
        parse_duration(text).ok_or_else(|| {
            Problem::new(node.span.clone(), format!("`{text}` is not a span of time"))
                .expected("a span such as 30s, 5m, 2h, 1d12h")
        })
    }

    /// A whole number.
    ///
    /// # Errors
    /// When the node is none.
    pub fn number(&self, node: &Node) -> Result<u64, Problem> {
        let text = self.scalar(node)?;
        text.parse().map_err(|_| {
            Problem::new(node.span.clone(), format!("`{text}` is not a number")).expected("a whole number")
        })
    }

    /// The pairs of a map that knows these keys alone.
    ///
    /// # Errors
    /// No map, or a key that is unknown.
    pub fn fields<'n>(&self, node: &'n Node, what: &str, known: &[&str]) -> Result<Fields<'n>, Problem> {
        let mut all = Vec::new();
        for (key, value) in self.map(node, what)? {
            let name = self.scalar(key)?;
            if !known.contains(&name) {
                let shown: String = name.chars().take(60).collect();
                let problem = Problem::new(key.span.clone(), format!("unknown key `{shown}`"));
                let problem = match did_you_mean(name, known.iter().copied()) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.expected("one of the keys below"),
                };
                return Err(problem.note(format!("{what} has {}", known.join(", "))));
            }
            all.push(Field { name, key, value });
        }
        Ok(Fields { span: node.span.clone(), all })
    }

    /// The pairs of a map.
    ///
    /// # Errors
    /// When the node is none.
    pub fn map<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [(Node, Node)], Problem> {
        match &node.kind {
            Kind::Map(pairs) => Ok(pairs),
            Kind::Scalar { text, plain: true, .. } if text.is_empty() => Ok(&[]),
            _ => Err(self.wrong(node, &format!("{what} as a map"))),
        }
    }

    /// The items of a list.
    ///
    /// # Errors
    /// When the node is none.
    pub fn list<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [Node], Problem> {
        match &node.kind {
            Kind::List(items) => Ok(items),
            _ => Err(self.wrong(node, what)),
        }
    }

    /// The text of a scalar, whatever it means.
    ///
    /// # Errors
    /// When the node is none.
    pub fn scalar<'n>(&self, node: &'n Node) -> Result<&'n str, Problem> {
        match &node.kind {
            Kind::Scalar { text, .. } => Ok(text),
            _ => Err(self.wrong(node, "a text")),
        }
    }

    /// A text; what looks like a number or a truth value has to stand in quotes to be one.
    ///
    /// # Errors
    /// When the node is none.
    pub fn text(&self, node: &Node) -> Result<String, Problem> {
        let text = self.scalar(node)?;
        match node.describe() {
            "a text" => Ok(text.to_owned()),
            _ if text.is_empty() => Err(self.wrong(node, "a text")),
            _ => Err(self.wrong(node, &format!("a text; in quotes this is one: \"{text}\""))),
        }
    }

    fn wrong(&self, node: &Node, expected: &str) -> Problem {
        let end = self
            .source
            .get(node.span.clone())
            .and_then(|t| t.find('\n'))
            .map_or(node.span.end, |n| node.span.start + n);
        Problem::new(node.span.start..end, format!("this is {}", node.describe())).expected(expected)
    }
}

/// `1d12h`, `5m`, `30s`, `200ms`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (Duration::ZERO, text.trim());
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
        let unit = match &rest[digits..unit_end] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86400),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(u32::try_from(number).ok()?)?)?;
        rest = &rest[unit_end..];
    }
    // A century is as good as for ever.
    (total <= Duration::from_secs(86400 * 36525)).then_some(total)
}

#[cfg(test)]
mod tests;

//! procmail's own regular expressions (procmailrc(5), "Extended regular expressions").
//!
//! They look like egrep's, but run over many lines: `^` and `$` both stand for a line end, which
//! they consume, with one more before the text and behind it; `^^` is the very start or end; `\<` and `\>` are a character that
//! belongs to no word; `\/` divides what must match from what goes into `MATCH`. The left side of `\/`
//! ends as early as it can, the right side as late as it can.
//!
//! The text is run through once, with all the places in the expression where a match may stand.

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Regex {
    nodes: Vec<Node>,
    start: u32,
    marked: bool,
    fold: bool,
    first: Option<u8>,
}

/// Where an expression matched, as places in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Behind the last character.
    pub end: usize,
    /// Where the part behind `\/` begins, if there is one.
    pub mark: Option<usize>,
}

#[derive(Clone, Debug)]
enum Node {
    Byte(u8, u32),
    Set(Box<[u64; 4]>, u32),
    Split(u32, u32),
    Edge(u32),
    Mark(u32),
    Done,
}

/// The grammar's tree.
enum Tree {
    Empty,
    Byte(u8),
    Set(Box<[u64; 4]>),
    Edge,
    Mark,
    Chain(Vec<Tree>),
    Either(Vec<Tree>),
    Star(Box<Tree>),
    Plus(Box<Tree>),
    Maybe(Box<Tree>),
}

/// Groups in groups deeper than this are read as characters.
const DEEPEST_GROUP: usize = 100;

impl Regex {
    /// Compiles an expression; letters count alike unless `exact`. The second value says whether it was
    /// valid; one that is not is read as well as can be.
    pub fn new(pattern: &str, exact: bool) -> (Regex, bool) {
        let mut parser = Parser { text: pattern.as_bytes(), at: 0, fold: !exact, valid: true, marked: false };
        let mut tree = parser.either(0);
        while parser.at < parser.text.len() {
            // A closing parenthesis that closes nothing.
            parser.valid = false;
            parser.at += 1;
            tree = Tree::Chain(vec![tree, parser.either(0)]);
        }
        let mut nodes = vec![Node::Done];
        let start = compile(&mut nodes, &tree, 0);
        let first = first_byte(&nodes, start);
        (Regex { nodes, start, marked: parser.marked, fold: !exact, first }, parser.valid)
    }

    /// Finds the first match in `text` at or behind `from`.
    pub fn find(&self, text: &[u8], from: usize) -> Option<Match> {
        Search::new(self, text).run(from)
    }

    /// All matches, one behind the other, as weighted scoring counts them.
    pub fn occurrences<'r>(&'r self, text: &'r [u8]) -> Occurrences<'r> {
        Occurrences { regex: self, text, from: Some(0) }
    }
}

/// See [`Regex::occurrences`].
pub struct Occurrences<'r> {
    regex: &'r Regex,
    text: &'r [u8],
    from: Option<usize>,
}

/// One of several matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// A match, behind which the search goes on.
    Once,
    /// A match without a character, which is found at the same place for ever.
    Endless,
}

impl Iterator for Occurrences<'_> {
    type Item = Occurrence;

    fn next(&mut self) -> Option<Occurrence> {
        let from = self.from?;
        let m = self.regex.find(self.text, from)?;
        if m.end < from.max(1) {
            self.from = None;
            return Some(Occurrence::Endless);
        }
        // A line end that ended one match may begin the next.
        let next = if self.text[m.end - 1] == b'\n' { m.end } else { m.end + 1 };
        let next = next.max(from + 1);
        self.from = (next <= self.text.len() + 1).then_some(next);
        Some(Occurrence::Once)
    }
}

struct Parser<'p> {
    text: &'p [u8],
    at: usize,
    fold: bool,
    valid: bool,
    marked: bool,
}

impl Parser<'_> {
    fn either(&mut self, depth: usize) -> Tree {
        let mut branches = vec![self.chain(depth)];
        while self.text.get(self.at) == Some(&b'|') {
            self.at += 1;
            branches.push(self.chain(depth));
        }
        if branches.len() == 1 { branches.remove(0) } else { Tree::Either(branches) }
    }

    fn chain(&mut self, depth: usize) -> Tree {
        let mut links = Vec::new();
        while let Some(c) = self.text.get(self.at) {
            match c {
                b'|' | b')' => break,
                b'*' | b'+' | b'?' if !links.is_empty() => {
                    self.at += 1;
                    let inner = Box::new(links.pop().unwrap_or(Tree::Empty));
                    links.push(match c {
                        b'*' => Tree::Star(inner),
                        b'+' => Tree::Plus(inner),
                        _ => Tree::Maybe(inner),
                    });
                }
                _ => links.push(self.atom(depth)),
            }
        }
        Tree::Chain(links)
    }

    fn atom(&mut self, depth: usize) -> Tree {
        let c = self.text[self.at];
        self.at += 1;
        match c {
            b'(' if depth < DEEPEST_GROUP => {
                let inner = self.either(depth + 1);
                if self.text.get(self.at) == Some(&b')') {
                    self.at += 1;
                } else {
                    self.valid = false;
                }
                inner
            }
            b'^' if self.text.get(self.at) == Some(&b'^') => {
                self.at += 1;
                Tree::Edge
            }
            b'^' | b'$' => Tree::Byte(b'\n'),
            b'.' => set(|c| c != b'\n'),
            b'[' => self.bracket(),
            b'\\' => match self.text.get(self.at).copied() {
                Some(b'/') => {
                    self.at += 1;
                    self.marked = true;
                    Tree::Mark
                }
                Some(b'<' | b'>') => {
                    self.at += 1;
                    set(|c| !(c.is_ascii_alphanumeric() || c == b'_'))
                }
                Some(c) => {
                    self.at += 1;
                    self.letter(c)
                }
                None => Tree::Byte(b'\\'),
            },
            c => self.letter(c),
        }
    }

    fn letter(&self, c: u8) -> Tree {
        Tree::Byte(if self.fold { c.to_ascii_lowercase() } else { c })
    }

    fn bracket(&mut self) -> Tree {
        let mut bits = [0u64; 4];
        let negated = self.text.get(self.at) == Some(&b'^');
        self.at += usize::from(negated);
        let first = self.at;
        loop {
            let Some(c) = self.text.get(self.at).copied() else {
                self.valid = false;
                break;
            };
            self.at += 1;
            if c == b']' && self.at - 1 > first {
                break;
            }
            let range = self.text.get(self.at) == Some(&b'-')
                && self.text.get(self.at + 1).is_some_and(|e| *e != b']');
            let end = if range {
                self.at += 2;
                self.text[self.at - 1]
            } else {
                c
            };
            for c in c..=end {
                add(&mut bits, c);
                if self.fold {
                    add(&mut bits, c.to_ascii_lowercase());
                }
            }
        }
        if negated {
            bits.iter_mut().for_each(|b| *b = !*b);
            bits[0] &= !(1 << b'\n');
        }
        Tree::Set(Box::new(bits))
    }
}

fn add(bits: &mut [u64; 4], c: u8) {
    bits[usize::from(c >> 6)] |= 1 << (c & 63);
}

fn set(has: impl Fn(u8) -> bool) -> Tree {
    let mut bits = [0u64; 4];
    (0..=255).filter(|c| has(*c)).for_each(|c| add(&mut bits, c));
    Tree::Set(Box::new(bits))
}

fn push(nodes: &mut Vec<Node>, node: Node) -> u32 {
    nodes.push(node);
    nodes.len() as u32 - 1
}

/// Compiles a tree that goes on to `next`; gives where it begins.
fn compile(nodes: &mut Vec<Node>, tree: &Tree, next: u32) -> u32 {
    match tree {
        Tree::Empty => next,
        Tree::Byte(c) => push(nodes, Node::Byte(*c, next)),
        Tree::Set(bits) => push(nodes, Node::Set(bits.clone(), next)),
        Tree::Edge => push(nodes, Node::Edge(next)),
        Tree::Mark => push(nodes, Node::Mark(next)),
        Tree::Chain(links) => links.iter().rev().fold(next, |next, link| compile(nodes, link, next)),
        Tree::Either(branches) => {
            let starts: Vec<u32> = branches.iter().map(|b| compile(nodes, b, next)).collect();
            let last = starts[starts.len() - 1];
            starts[..starts.len() - 1].iter().rev().fold(last, |rest, s| push(nodes, Node::Split(*s, rest)))
        }
        Tree::Maybe(inner) => {
            let start = compile(nodes, inner, next);
            push(nodes, Node::Split(start, next))
        }
        Tree::Star(inner) | Tree::Plus(inner) => {
            let split = push(nodes, Node::Split(0, next));
            let start = compile(nodes, inner, split);
            nodes[split as usize] = Node::Split(start, next);
            if matches!(tree, Tree::Star(_)) { split } else { start }
        }
    }
}

/// The octet that every match begins with, where there is just one.
fn first_byte(nodes: &[Node], start: u32) -> Option<u8> {
    match nodes.get(start as usize)? {
        Node::Byte(c, _) => Some(*c),
        _ => None,
    }
}

/// No mark has been passed yet.
const UNMARKED: usize = usize::MAX;

/// A run over some text. Places count from the line end that stands before the text.
struct Search<'r> {
    regex: &'r Regex,
    text: &'r [u8],
    /// The length with the line ends before and behind the text.
    length: usize,
    now: Threads,
    next: Threads,
    stack: Vec<(u32, usize)>,
}

/// The places in the expression, each with where its mark was passed.
#[derive(Default)]
struct Threads {
    order: Vec<u32>,
    marks: Vec<Option<usize>>,
}

impl Threads {
    fn new(size: usize) -> Threads {
        Threads { order: Vec::new(), marks: vec![None; size] }
    }

    fn clear(&mut self) {
        for n in self.order.drain(..) {
            self.marks[n as usize] = None;
        }
    }
}

impl<'r> Search<'r> {
    fn new(regex: &'r Regex, text: &'r [u8]) -> Search<'r> {
        let size = regex.nodes.len();
        let length = text.len() + 2;
        Search { regex, text, length, now: Threads::new(size), next: Threads::new(size), stack: Vec::new() }
    }

    fn at(&self, place: usize) -> u8 {
        let c = if place == 0 { b'\n' } else { self.text.get(place - 1).copied().unwrap_or(b'\n') };
        if self.regex.fold { c.to_ascii_lowercase() } else { c }
    }

    fn run(mut self, from: usize) -> Option<Match> {
        let mut best: Option<(usize, usize)> = None;
        let mut place = if from == 0 { 0 } else { from };
        loop {
            if best.is_none() {
                if self.now.order.is_empty() {
                    place = self.next_start(place)?;
                }
                self.enter(place, self.regex.start, UNMARKED);
            }
            if let Some(mark) = self.now.marks[0] {
                if !self.regex.marked || mark == UNMARKED {
                    return Some(Match { end: place.saturating_sub(1).min(self.text.len()), mark: None });
                }
                if best.is_none_or(|(m, _)| mark <= m) {
                    best = Some((mark, place));
                }
            }
            if place >= self.length {
                break;
            }
            self.step(place, best.map_or(UNMARKED, |(m, _)| m));
            place += 1;
            if self.now.order.is_empty() && best.is_some() {
                break;
            }
        }
        best.map(|(mark, end)| {
            let end = end.saturating_sub(1).min(self.text.len());
            Match { end, mark: Some(mark.saturating_sub(1).min(end)) }
        })
    }

    /// Where a match may begin next.
    fn next_start(&self, place: usize) -> Option<usize> {
        let Some(first) = self.regex.first else { return Some(place) };
        if place == 0 && first == b'\n' {
            return Some(0);
        }
        let from = place.saturating_sub(1);
        let rest = self.text.get(from..)?;
        let found = if self.regex.fold && first.is_ascii_alphabetic() {
            memchr::memchr2(first, first.to_ascii_uppercase(), rest)
        } else {
            memchr::memchr(first, rest)
        };
        match found {
            Some(n) => Some((from + n + 1).max(place)),
            None if first == b'\n' && place < self.length => Some(self.length - 1),
            None => None,
        }
    }

    /// Steps over the character at `place`; threads marked later than `limit` are dropped.
    fn step(&mut self, place: usize, limit: usize) {
        let c = self.at(place);
        std::mem::swap(&mut self.now, &mut self.next);
        self.now.clear();
        for i in 0..self.next.order.len() {
            let n = self.next.order[i];
            let mark = self.next.marks[n as usize].unwrap_or(UNMARKED);
            if mark > limit {
                continue;
            }
            let goes_on = match &self.regex.nodes[n as usize] {
                Node::Byte(b, next) if *b == c => Some(*next),
                Node::Set(bits, next) if bits[usize::from(c >> 6)] >> (c & 63) & 1 == 1 => Some(*next),
                _ => None,
            };
            if let Some(next) = goes_on {
                self.enter(place + 1, next, mark);
            }
        }
        self.next.clear();
    }

    /// Puts a thread at a node, and at all that can be reached from it without a character.
    fn enter(&mut self, place: usize, node: u32, mark: usize) {
        self.stack.push((node, mark));
        while let Some((n, mark)) = self.stack.pop() {
            match &mut self.now.marks[n as usize] {
                Some(old) if *old <= mark => continue,
                Some(old) => *old = mark,
                empty => {
                    *empty = Some(mark);
                    self.now.order.push(n);
                }
            }
            match &self.regex.nodes[n as usize] {
                Node::Split(a, b) => self.stack.extend([(*b, mark), (*a, mark)]),
                Node::Edge(next) if place == 1 || place == self.text.len() + 1 => {
                    self.stack.push((*next, mark))
                }
                Node::Mark(next) => self.stack.push((*next, if mark == UNMARKED { place } else { mark })),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "From: Carl <carl@example.org>\nTo: talk@example.org\nCc: Alice Smith <alice@example.com>\n\
        Subject: Re: [talk] Ticket 4711 is (still) open\nMessage-ID: <4711@example.org>\n\n";

    fn matches(pattern: &str, text: &str) -> bool {
        Regex::new(pattern, false).0.find(text.as_bytes(), 0).is_some()
    }

    fn matched(pattern: &str, text: &str) -> Option<String> {
        let m = Regex::new(pattern, false).0.find(text.as_bytes(), 0)?;
        Some(text[m.mark?..m.end].to_owned())
    }

    #[test]
    fn conditions_of_the_real_log() {
        for yes in [
            "^SUBJECT:.*ticket",
            "^Subject:.*\\[talk\\]",
            "^Subject:.*(closed|open)$",
            "^(To|Cc):(.*[^a-z])?alice@",
            "^Message-ID: +<[0-9]+@",
            "^Subject:.*\\<open\\>",
        ] {
            assert!(matches(yes, HEADER), "{yes}");
        }
        for no in ["^X-Loop:", "^Subject:.*\\(open", "^Subject: [", "foo"] {
            assert!(!matches(no, HEADER), "{no}");
        }
        assert!(!Regex::new("^(From", false).1 && matches("^(From", HEADER));
    }

    #[test]
    fn the_text_has_edges() {
        let body = "Body line one\nlast\n";
        assert!(matches("^^Body", body) && matches("^last$^^", body));
        assert!(!matches("^last^^", body) && !matches("^^last", body));
        assert!(matches("^^47..^^", "4711") && matches("^^^^", ""));
        assert!(matches("one$last", body) && !matches("one$^last", body));
    }

    #[test]
    fn the_left_side_is_short_and_the_right_side_long() {
        assert_eq!(matched("^Subject:.*Ticket \\/[0-9]+", HEADER).as_deref(), Some("4711"));
        assert_eq!(matched("^To: \\/[^ ]*", HEADER).as_deref(), Some("talk@example.org"));
        assert_eq!(matched("a.*\\/b+", "xaabbxbbb").as_deref(), Some("bb"));
    }

    #[test]
    fn letters_count_where_asked() {
        assert!(Regex::new("^Subject: URGENT", true).0.find(b"Subject: URGENT\n", 0).is_some());
        assert!(Regex::new("^Subject: URGENT", true).0.find(b"Subject: urgent\n", 0).is_none());
    }

    /// Expressions and texts (`~` is a line end), whether the real program found a match, what it put
    /// into `MATCH`, and how often it counted a match.
    #[test]
    fn answers_of_the_real_program() {
        for line in include_str!("testdata/regex.tsv").lines() {
            let [pattern, text, found, part, count] = line.splitn(5, '\t').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let text = text.replace('~', "\n");
            // In front of a condition a backslash means nothing.
            let regex = Regex::new(pattern.strip_prefix('\\').unwrap_or(pattern), false).0;
            let m = regex.find(text.as_bytes(), 0);
            assert_eq!(m.is_some(), found == "1", "{line}");
            let matched = m.and_then(|m| Some(text[m.mark?..m.end].replace('\n', "~")));
            assert_eq!(matched.as_deref(), part.strip_prefix('='), "{line}");
            let count: u64 = count.parse().unwrap();
            let counted = regex.occurrences(text.as_bytes()).fold(0, |n, o| match o {
                Occurrence::Once => n + 1,
                Occurrence::Endless => 2_147_483_647,
            });
            assert_eq!(counted, count, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_expression_runs_on_any_text(pattern in "[\\^$a-c.*+?|()\\[\\]\\\\/<>-]{0,24}", text in "[a-c\n<]{0,40}") {
            let (regex, _) = Regex::new(&pattern, false);
            if let Some(m) = regex.find(text.as_bytes(), 0) {
                prop_assert!(m.end <= text.len() && m.mark.is_none_or(|s| s <= m.end));
            }
        }
    }
}

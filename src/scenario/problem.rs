//! What is wrong with a file, and where: one message, the text it is about, what would be right.

use super::model::Span;

/// A problem in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The text it is about, in octets from the start of the file.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What stands under the text: a hint, or what was expected there.
    pub label: String,
    /// A second place that belongs to it.
    pub also: Option<(Span, String)>,
    /// What would be right.
    pub notes: Vec<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn new(span: Span, message: impl Into<String>) -> Problem {
        Problem { span, message: message.into(), label: String::new(), also: None, notes: Vec::new() }
    }

    /// What was expected there.
    #[must_use]
    pub fn expected(mut self, what: impl std::fmt::Display) -> Problem {
        self.label = format!("expected {what}");
        self
    }

    /// A hint under the text.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Problem {
        self.label = text.into();
        self
    }

    /// A second place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Problem {
        self.also = Some((span, text.into()));
        self
    }

    /// A line below.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Problem {
        self.notes.push(text.into());
        self
    }
}

/// The word that `word` may have been meant to be.
pub fn did_you_mean<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|k| (distance(word, k), k))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// How many letters have to be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn near_words_are_offered() {
        assert_eq!(did_you_mean("stepz", ["title", "steps", "hosts"]), Some("steps"));
        assert_eq!(did_you_mean("colour", ["title", "steps"]), None);
    }
}

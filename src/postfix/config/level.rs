//! Compatibility levels, `major.minor.patch`, and how they compare: 3.10 is above 3.9.

/// A compatibility level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Level(pub u32, pub u32, pub u32);

impl Level {
    /// Reads `3`, `3.6` or `3.7.5`; the error is the text the real program gives.
    pub fn parse(text: &str) -> Result<Level, String> {
        let bad = || format!("malformed compatibility level syntax: \"{text}\"");
        let mut numbers = [0u32; 3];
        let mut parts = text.split('.');
        for number in &mut numbers {
            match parts.next() {
                Some(part) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => {
                    *number = part.parse().map_err(|_| bad())?;
                }
                Some(_) => return Err(bad()),
                None => break,
            }
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Level(numbers[0], numbers[1], numbers[2])) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_compare_by_number() {
        assert!(Level::parse("3.5").unwrap() < Level::parse("3.10").unwrap());
        assert!(Level::parse("3").unwrap() < Level::parse("3.0.1").unwrap());
        for bad in ["", "x", "3.", "3.x", "2.1.1.1", " 3 ", "3.5-20200101", "99999999999"] {
            assert_eq!(Level::parse(bad), Err(format!("malformed compatibility level syntax: \"{bad}\"")));
        }
    }
}

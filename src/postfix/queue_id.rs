//! Queue ids (`mail_queue(3)`): short ones, which come again when a file's inode does, and long ones
//! (`enable_long_queue_ids`), which never do.

use crate::world::clock::Time;
use std::rc::Rc;

/// The digits of a long id: no vowels, that it spells nothing. The last separates the inode number,
/// which is written to a base of one less.
const DIGITS: &[u8; 52] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
/// The digits of the seconds, and of the microseconds behind them.
const SECONDS: usize = 6;
const MICROS: usize = 4;
const SEPARATOR: char = 'z';

/// The id of a file: a short one is the microsecond in five hexadecimal digits and the inode number, a
/// long one the seconds, the microsecond and the inode number.
pub fn new(now: Time, ino: u64, long: bool) -> Rc<str> {
    let micros = now.subsec_micros();
    if !long {
        return format!("{micros:05X}{ino:X}").into();
    }
    let mut id = digits(now.unix(), 52, SECONDS);
    id.push_str(&digits(micros.into(), 52, MICROS));
    id.push(SEPARATOR);
    id.push_str(&digits(ino, 51, 1));
    id.into()
}

/// Is it a long one?
pub fn is_long(id: &str) -> bool {
    id.rfind(SEPARATOR).is_some_and(|at| at >= SECONDS + MICROS)
}

/// Could this be a queue id? Digits and letters only, so that it is safe in a path.
pub fn is_id(text: &str) -> bool {
    (6..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// By what a file finds its subdirectory: the first digit of the microsecond in hexadecimal.
pub fn subdirectory(id: &str) -> char {
    let first = id.chars().next().unwrap_or('0');
    if !is_long(id) {
        return first;
    }
    let micros = id
        .bytes()
        .skip(SECONDS)
        .take(MICROS)
        .try_fold(0, |sum: usize, b| Some(sum * 52 + DIGITS.iter().position(|d| *d == b)?));
    micros.and_then(|n| format!("{n:05X}").chars().next()).unwrap_or(first)
}

/// A number with at least so many digits.
fn digits(mut number: u64, base: u64, width: usize) -> String {
    let mut out = Vec::new();
    while number > 0 || out.len() < width {
        out.push(DIGITS[(number % base) as usize]);
        number /= base;
    }
    out.iter().rev().map(|b| char::from(*b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the real program made them.
    #[test]
    fn a_long_id_tells_second_microsecond_and_inode() {
        assert!(is_long("4jYzXH069Fz2Q"));
        assert!(!is_long("15E468A"));
        assert_eq!(subdirectory("4jYzXH069Fz2Q"), '0');
        assert_eq!(subdirectory("15E468A"), '1');
        let at = Time::from_nanos(1_795_562_927_016_705_000);
        assert_eq!(&*new(at, 2 * 51 + 22, true), "4jYzXH069Fz2Q");
        assert_eq!(&*new(at, 0x8A, false), "041418A");
    }
}

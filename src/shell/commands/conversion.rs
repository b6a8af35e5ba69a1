//! The conversions of printf(3), for printf(1), seq(1) and awk(1).
//!
//! # Simplifications
//! `%a` is not there. Numbers have at most 64 bits; a width or precision at most [`WIDEST`].

/// The widest field, in octets.
pub const WIDEST: usize = 65536;

/// One conversion of a format: `%-5.2f`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    pub minus: bool,
    pub plus: bool,
    pub space: bool,
    pub zero: bool,
    pub alternate: bool,
    pub width: Width,
    pub precision: Option<Width>,
    pub letter: char,
}

/// A width or precision, given in the format or by an argument (`*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Fixed(usize),
    Argument,
}

impl Default for Width {
    fn default() -> Width {
        Width::Fixed(0)
    }
}

impl Conversion {
    /// Reads what stands behind a `%`; gives it and its length, or nothing where it is cut short.
    pub fn parse(text: &[u8]) -> Option<(Conversion, usize)> {
        let mut c = Conversion::default();
        let mut at = 0;
        while let Some(flag) = text.get(at) {
            match flag {
                b'-' => c.minus = true,
                b'+' => c.plus = true,
                b' ' => c.space = true,
                b'0' => c.zero = true,
                b'#' => c.alternate = true,
                b'\'' => {}
                _ => break,
            }
            at += 1;
        }
        let number = |at: &mut usize| {
            if text.get(*at) == Some(&b'*') {
                *at += 1;
                return Width::Argument;
            }
            let mut n = 0_usize;
            while let Some(d) = text.get(*at).filter(|d| d.is_ascii_digit()) {
                n = (n * 10 + usize::from(d - b'0')).min(WIDEST);
                *at += 1;
            }
            Width::Fixed(n)
        };
        c.width = number(&mut at);
        if text.get(at) == Some(&b'.') {
            at += 1;
            c.precision = Some(number(&mut at));
        }
        while text.get(at).is_some_and(|l| b"hlLjzt".contains(l)) {
            at += 1;
        }
        c.letter = char::from(*text.get(at)?);
        Some((c, at + 1))
    }

    /// Puts the values of `*` in their places.
    pub fn fill(&mut self, mut argument: impl FnMut() -> i64) {
        if self.width == Width::Argument {
            let n = argument();
            self.minus |= n < 0;
            self.width = Width::Fixed((n.unsigned_abs() as usize).min(WIDEST));
        }
        if self.precision == Some(Width::Argument) {
            let n = argument();
            self.precision = (n >= 0).then(|| Width::Fixed((n as usize).min(WIDEST)));
        }
    }

    fn fixed(&self) -> Option<usize> {
        match self.precision {
            Some(Width::Fixed(n)) => Some(n),
            _ => None,
        }
    }

    fn pad(&self, text: Vec<u8>, zero: bool) -> Vec<u8> {
        let Width::Fixed(width) = self.width else { return text };
        let missing = width.saturating_sub(text.len());
        if missing == 0 {
            return text;
        }
        let mut out = Vec::with_capacity(width);
        if self.minus {
            out.extend_from_slice(&text);
            out.resize(width, b' ');
        } else if zero {
            let head = match &text[..] {
                [b'+' | b'-' | b' ', b'0', b'x' | b'X', ..] => 3,
                [b'0', b'x' | b'X', ..] => 2,
                [b'+' | b'-' | b' ', ..] => 1,
                _ => 0,
            };
            out.extend_from_slice(&text[..head]);
            out.resize(head + missing, b'0');
            out.extend_from_slice(&text[head..]);
        } else {
            out.resize(missing, b' ');
            out.extend_from_slice(&text);
        }
        out
    }

    /// `%s`, `%b`, `%c`
    pub fn text(&self, text: &[u8]) -> Vec<u8> {
        let cut = self.fixed().map_or(text.len(), |n| n.min(text.len()));
        self.pad(text[..cut].to_vec(), false)
    }

    /// `%d`, `%i`, `%u`, `%o`, `%x`, `%X`
    pub fn integer(&self, n: i64) -> Vec<u8> {
        let signed = matches!(self.letter, 'd' | 'i');
        let mut digits = match self.letter {
            'd' | 'i' => n.unsigned_abs().to_string(),
            'o' => format!("{:o}", n as u64),
            'x' => format!("{:x}", n as u64),
            'X' => format!("{:X}", n as u64),
            _ => (n as u64).to_string(),
        };
        if let Some(least) = self.fixed() {
            if least == 0 && n == 0 {
                digits.clear();
            }
            digits = format!("{digits:0>least$}");
        }
        let prefix = match self.letter {
            'x' if self.alternate && n != 0 => "0x",
            'X' if self.alternate && n != 0 => "0X",
            'o' if self.alternate && !digits.starts_with('0') => "0",
            _ if signed && n < 0 => "-",
            _ if signed && self.plus => "+",
            _ if signed && self.space => " ",
            _ => "",
        };
        self.pad(format!("{prefix}{digits}").into_bytes(), self.zero && self.precision.is_none())
    }

    /// `%e`, `%f`, `%g` and their capitals
    pub fn float(&self, x: f64) -> Vec<u8> {
        let precision = self.fixed().unwrap_or(6).min(1100);
        let sign = if x.is_sign_negative() && !x.is_nan() {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        let size = x.abs();
        let body = if x.is_nan() {
            "nan".to_owned()
        } else if x.is_infinite() {
            "inf".to_owned()
        } else {
            match self.letter.to_ascii_lowercase() {
                'f' => fixed(size, precision, self.alternate),
                'e' => scientific(size, precision, self.alternate),
                _ => general(size, precision.max(1), self.alternate),
            }
        };
        let body = if self.letter.is_ascii_uppercase() { body.to_uppercase() } else { body };
        self.pad(format!("{sign}{body}").into_bytes(), self.zero && x.is_finite())
    }
}

fn fixed(x: f64, precision: usize, point: bool) -> String {
    let dot = if point && precision == 0 { "." } else { "" };
    format!("{x:.precision$}{dot}")
}

fn scientific(x: f64, precision: usize, point: bool) -> String {
    let text = format!("{x:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let dot = if point && precision == 0 { "." } else { "" };
    format!("{mantissa}{dot}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn general(x: f64, precision: usize, keep_zeros: bool) -> String {
    let text = format!("{x:.*e}", precision - 1);
    let exponent: i32 = text.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let trim = |text: String| {
        if keep_zeros || !text.contains('.') {
            return text;
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if exponent < -4 || exponent >= precision as i32 {
        let text = scientific(x, precision - 1, keep_zeros);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{exponent}", trim(mantissa.to_owned()));
    }
    let after = (precision as i32 - 1 - exponent).max(0) as usize;
    trim(fixed(x, after, keep_zeros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(format: &str) -> Conversion {
        Conversion::parse(&format.as_bytes()[1..]).unwrap().0
    }

    #[test]
    fn as_the_c_library() {
        let float = |format: &str, x: f64| String::from_utf8(with(format).float(x)).unwrap();
        for (format, x, text) in [
            ("%f", 1.5, "1.500000"),
            ("%.0f", 2.5, "2"),
            ("%e", 1.5, "1.500000e+00"),
            ("%g", 1e10, "1e+10"),
            ("%g", 0.0001, "0.0001"),
            ("%g", 100000.0, "100000"),
            ("%g", 1e6, "1e+06"),
            ("%G", 1e-5, "1E-05"),
            ("%.3g", 2.71728, "2.72"),
            ("%08.2f", -1.5, "-0001.50"),
            ("%+g", 1.0, "+1"),
            ("%5.1f|", 2.25, "  2.2"),
        ] {
            assert_eq!(float(format, x), text, "{format} {x}");
        }
        let integer = |format: &str, n: i64| String::from_utf8(with(format).integer(n)).unwrap();
        for (format, n, text) in [
            ("%05d", -5, "-0005"),
            ("%#x", 255, "0xff"),
            ("%-5d", 5, "5    "),
            ("%.3d", 5, "005"),
            ("%u", -1, "18446744073709551615"),
            ("%o", 8, "10"),
        ] {
            assert_eq!(integer(format, n), text, "{format} {n}");
        }
        assert_eq!(with("%-5.2s").text(b"abc"), b"ab   ");
    }
}

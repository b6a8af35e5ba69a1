//! Colour, decided once: whether to use it follows from where the output goes and from what the
//! user has said (<https://no-color.org>, <https://bixense.com/clicolors>).

use std::io::IsTerminal;

/// Decides whether standard output gets colour, and tells the library that paints.
///
/// `NO_COLOR` (not empty) wins, then `CLICOLOR_FORCE` (not 0), then a terminal that is not dumb and
/// whose user has not set `CLICOLOR=0`.
pub fn decide() -> bool {
    let var = |name: &str| std::env::var(name).ok();
    let yes = choose(
        var("NO_COLOR"),
        var("CLICOLOR_FORCE"),
        var("CLICOLOR"),
        var("TERM"),
        std::io::stdout().is_terminal(),
    );
    colored::control::set_override(yes);
    yes
}

fn choose(
    no_color: Option<String>,
    force: Option<String>,
    clicolor: Option<String>,
    term: Option<String>,
    terminal: bool,
) -> bool {
    if no_color.is_some_and(|v| !v.is_empty()) {
        return false;
    }
    if force.is_some_and(|v| !v.is_empty() && v != "0") {
        return true;
    }
    terminal && clicolor.as_deref() != Some("0") && term.as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn what_the_user_says_comes_first() {
        let s = |t: &str| Some(t.to_owned());
        assert!(!choose(s("1"), s("1"), None, None, true));
        assert!(choose(s(""), s("1"), None, s("dumb"), false));
        assert!(choose(None, None, None, s("xterm"), true));
        assert!(!choose(None, None, None, s("dumb"), true));
        assert!(!choose(None, s("0"), None, None, false));
        assert!(!choose(None, None, s("0"), None, true));
    }
}

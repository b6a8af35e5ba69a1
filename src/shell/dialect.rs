//! Which shell it is: bash, or dash under the name sh. They differ in what they say of errors, in
//! which errors end a script, in `echo`, and in that dash knows neither braces nor `[[`.

/// A shell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// bash 5.2
    Bash,
    /// dash 0.5.12, Debian's sh
    Dash,
}

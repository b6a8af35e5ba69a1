//! The command line.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A run that fails says so itself; the panic's own words would only stand in the way.
    std::panic::set_hook(Box::new(|_| {}));
    ExitCode::from(cli::main(cli::Arguments::parse()))
}

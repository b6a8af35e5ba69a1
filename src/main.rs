//! The command line.

mod cli;

use clap::Parser;
use std::process::ExitCode;

/// Every event, line and path is a small piece of memory that soon goes again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shells run in one another, and so do the lab's own futures; the usual stack is small for that.
const STACK: usize = 64 << 20;

fn main() -> ExitCode {
    // A run that fails says so itself; the panic's own words would only stand in the way.
    std::panic::set_hook(Box::new(|_| {}));
    let arguments = cli::Arguments::parse();
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || cli::main(arguments));
    let status = match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(status)) => status,
        // Nobody reads on, as behind `| head`: what a program says that SIGPIPE ends.
        Ok(Err(panic)) if cli::words(&*panic).ends_with("Broken pipe (os error 32)") => 141,
        Ok(Err(panic)) => {
            eprintln!("error: maillab itself failed: {}", cli::words(&*panic));
            3
        }
        Err(e) => {
            eprintln!("error: no thread can be started: {e}");
            2
        }
    };
    ExitCode::from(status)
}

//! The interactive lab: a shell on every host, time in one's hands, and why.
//!
//! - [`lab`]: the world of a session, its terminals, and all that was done ([`act`]); going back is
//!   doing it again
//! - [`session`]: what a line that is typed does; [`commands`]: those that begin with a colon
//! - [`look`]: what is told of the world; [`mod@compare`]: two runs beside each other
//! - [`save`]: the session as a scenario, the trace in files
//! - [`front`]: the line one types; [`complete`]: what it may become
//! - [`guide`]: somebody who looks on, as a lesson does
//! - [`start`]: the small Internet that opens when no scenario is named

pub mod act;
pub mod commands;
pub mod compare;
pub mod complete;
pub mod front;
pub mod guide;
pub mod lab;
pub mod look;
pub mod save;
pub mod session;
pub mod start;

use session::Session;
use std::io::IsTerminal;
use std::path::Path;

/// Opens the lab on a scenario, or on the small Internet; gives the exit status.
pub fn repl(path: Option<&Path>, colour: bool) -> u8 {
    let terminal = std::io::stdin().is_terminal();
    let session = match Session::open(path, !terminal, colour) {
        Ok(session) => session,
        Err(text) => {
            eprintln!("{text}");
            return 2;
        }
    };
    if !terminal {
        return front::from_pipe(session, colour);
    }
    match path {
        None => println!("{}", start::greeting(session.lab())),
        Some(_) => {
            let scenario = session.lab().scenario();
            println!("{}\n\n{}\n:help lists what you can do.\n", scenario.title, start::hosts(session.lab()));
        }
    }
    front::at_terminal(session, colour)
}

//! What the user typed, and who does it: one file a subcommand.
//!
//! Exit status: 0 when all is well, 1 when a scenario does not do what it says, 2 for a command
//! line or a file that cannot be, 3 when a program of the lab failed.

mod book;
mod check;
mod exec;
mod junit;
mod learn;
mod report;
mod run;
mod source;
mod why;

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A small Internet in this terminal: virtual mail servers under a virtual clock.
#[derive(Parser)]
#[command(name = "maillab", version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run scenarios; a line each, and the place where one does not do what it says
    Run(Run),
    /// Read scenarios and lessons and say what is wrong with them
    Check {
        /// Scenario files, lessons, or folders of them
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Boot a scenario's hosts, run one command on one of them, and exit as it exited
    Exec {
        /// The scenario file
        scenario: PathBuf,
        /// The host, and perhaps who types the command: HOST or HOST:USER
        host: String,
        /// The command, as it would be typed
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Open the interactive lab on a scenario's hosts, or on a small Internet that comes with it
    Repl {
        /// The scenario file
        scenario: Option<PathBuf>,
    },
    /// List the lessons, or open one in the interactive lab; progress is kept
    Learn(Learn),
    /// Run a scenario and explain what came of it: a refused command, a letter
    Why(Why),
    /// Print the scenario format as a JSON Schema
    Schema,
    /// Make the book's chapters from their directives; mdBook calls this
    #[command(hide = true)]
    Book {
        /// `supports RENDERER`, or nothing: the book is on standard input
        question: Vec<String>,
    },
}

/// What `run` takes.
#[derive(clap::Args)]
pub struct Run {
    /// Scenario files, or folders of them
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// Print exactly the transcript, and nothing else, on standard output
    #[arg(long, conflicts_with = "trace")]
    transcript: bool,
    /// Print the trace; `none` keeps none at all
    #[arg(long, value_enum)]
    trace: Option<TraceFormat>,
    /// With `--trace text`: show every decision, and long texts in full
    #[arg(short, long)]
    verbose: bool,
    /// Take the traces as they are now for the snapshots beside the scenarios
    #[arg(long)]
    accept: bool,
    /// A seed in place of the scenarios' own
    #[arg(long)]
    seed: Option<u64>,
    /// How many scenarios to run at a time; as many as there are processors if not given
    #[arg(long)]
    jobs: Option<usize>,
    /// Run every Nth scenario only, beginning with the Kth: K/N
    #[arg(long, value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Write a JUnit report
    #[arg(long)]
    junit: Option<PathBuf>,
}

/// What `why` takes; without options it explains the last step that failed, or else the last reply.
#[derive(clap::Args)]
pub struct Why {
    /// The scenario file
    scenario: PathBuf,
    /// Run to the end of this step, and explain what came of it
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    step: Option<u32>,
    /// Explain the letter of this queue id
    #[arg(long, conflicts_with = "recipient")]
    queue_id: Option<String>,
    /// Explain the letter to, or the refusal of, this address
    #[arg(long)]
    recipient: Option<String>,
}

/// What `learn` takes; without anything it lists the lessons.
#[derive(clap::Args)]
pub struct Learn {
    /// The lesson: its number, its name or a part of that
    lesson: Option<String>,
    /// The lessons of this folder in place of the program's own
    #[arg(long, value_name = "FOLDER")]
    lessons: Option<PathBuf>,
    /// Write what was done and solved to FILE.json and FILE.md
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lesson", "reset", "verify"])]
    report: Option<PathBuf>,
    /// Do again what a report tells, and say whether it holds
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["lesson", "reset"])]
    verify: Option<PathBuf>,
    /// Forget what was done of the lesson, or of all
    #[arg(long)]
    reset: bool,
}

/// How the trace is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// A line an event, for people
    Text,
    /// A JSON object an event, for programs
    Jsonl,
    /// Not at all; nothing is kept
    None,
}

/// Does what was asked for; gives the exit status.
pub fn main(arguments: Arguments) -> u8 {
    let colour = maillab::view::style::decide();
    let Some(command) = arguments.command else { return maillab::repl::repl(None, colour) };
    match command {
        Command::Repl { scenario } => maillab::repl::repl(scenario.as_deref(), colour),
        Command::Book { question } => book::book(&question),
        Command::Learn(learn) => learn::learn(&learn, colour),
        Command::Run(run) => run::run(&run, colour),
        Command::Check { paths } => check::check(&paths, colour),
        Command::Exec { scenario, host, command } => exec::exec(&scenario, &host, &command.join(" "), colour),
        Command::Why(why) => why::why(&why, colour),
        Command::Schema => {
            println!("{:#}", maillab::scenario::schema::schema());
            0
        }
    }
}

/// What a panic said.
pub fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parsed = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((k, n)) if 1 <= k && k <= n => Ok((k, n)),
        _ => Err("expected K/N with 1 ≤ K ≤ N".to_owned()),
    }
}

//! postmap(1): makes compiled tables, and asks any table a question.
//!
//! Sources are `key whitespace value`; keys are folded to lower case unless `-f` is given. See
//! [`mkmap`] for what it shares with postalias.

use super::dict::source::{self, Reader};
use super::mkmap::{self, Tool};
use crate::world::process::Process;

const POSTMAP: Tool = Tool {
    name: "postmap",
    options: "Nbc:d:fFhimnopq:rsuUvw",
    usage: "usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    between: "\t",
    parse: |text, path, fold| source::parse_map(text, path, Reader::Postmap, fold),
    own_entries: |_, _| Vec::new(),
};

/// The command.
pub async fn main(p: Process) -> i32 {
    mkmap::run(p, &POSTMAP).await
}

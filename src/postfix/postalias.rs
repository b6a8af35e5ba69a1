//! postalias(1): makes compiled alias tables from aliases(5). `newaliases` runs it over
//! `alias_database`.
//!
//! Each table also gets the entries that mark an alias map made by Postfix: `@`,
//! `YP_MASTER_NAME` and `YP_LAST_MODIFIED`.

use super::dict::source;
use super::mkmap::{self, Tool};
use crate::world::process::Process;

const POSTALIAS: Tool = Tool {
    name: "postalias",
    options: "Nc:d:finopq:rsuvw",
    usage: "usage: postalias [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...",
    between: ":\t",
    parse: source::parse_aliases,
    own_entries: |p, config| {
        vec![
            ("@".into(), "@".into()),
            ("YP_MASTER_NAME".into(), config.string("myhostname").to_string()),
            ("YP_LAST_MODIFIED".into(), p.now().unix().to_string()),
        ]
    },
};

/// The command.
pub async fn main(p: Process) -> i32 {
    mkmap::run(p, &POSTALIAS).await
}

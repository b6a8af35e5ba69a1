//! mkdir(1) and rmdir(1): make and remove directories.

use super::chmod::asked_mode;
use super::names;
use super::options::{NONE, Options};
use super::tool::{Tool, quoted};
use crate::world::errno::Errno;
use crate::world::process::Process;

const MKDIR: Options = Options {
    usage: "[OPTION]... DIRECTORY...",
    short: "m:pv",
    long: &[("mode=", 'm'), ("parents", 'p'), ("verbose", 'v')],
    absent: "Z",
    ..NONE
};
const RMDIR: Options = Options {
    usage: "[OPTION]... DIRECTORY...",
    short: "pv",
    long: &[("parents", 'p'), ("verbose", 'v'), ("ignore-fail-on-non-empty", IGNORE)],
    ..NONE
};
const IGNORE: char = '\u{11}';

/// mkdir(1)
pub async fn mkdir(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match MKDIR.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    let mode = match asked_mode(&mut tool, parsed.value('m'), 0o777, true).await {
        Ok(mode) => mode,
        Err(status) => return status,
    };
    for path in &parsed.operands {
        if let Err((at, e)) = make(&mut tool, path, mode, parsed.has('p'), parsed.has('v')).await {
            tool.complain(format!("cannot create directory {}: {e}", quoted(&at))).await;
        }
    }
    tool.done().await
}

async fn make(
    tool: &mut Tool,
    path: &str,
    mode: Option<u16>,
    parents: bool,
    verbose: bool,
) -> Result<(), (String, Errno)> {
    if parents {
        let ends = path.trim_end_matches('/').match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
        for end in ends {
            let above = &path[..end];
            if tool.p.stat(above, true).is_ok_and(|s| s.is_dir()) {
                continue;
            }
            match tool.p.mkdir(above, 0o777) {
                Ok(()) if verbose => {
                    tool.line(format!("{}: created directory {}", tool.name, quoted(above))).await
                }
                Ok(()) => {}
                Err(e) => return Err((above.to_owned(), e)),
            }
        }
        if tool.p.stat(path, true).is_ok_and(|s| s.is_dir()) {
            return Ok(());
        }
    }
    let fail = |e| (path.to_owned(), e);
    tool.p.mkdir(path, 0o777).map_err(fail)?;
    if let Some(mode) = mode {
        tool.p.chmod(path, mode).map_err(fail)?;
    }
    if verbose {
        tool.line(format!("{}: created directory {}", tool.name, quoted(path))).await;
    }
    Ok(())
}

/// rmdir(1)
pub async fn rmdir(p: Process) -> i32 {
    let mut tool = Tool::new(p);
    let parsed = match RMDIR.parse(&mut tool).await {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    if parsed.operands.is_empty() {
        return tool.usage("missing operand", 1).await;
    }
    for path in &parsed.operands {
        let mut at = &**path;
        loop {
            if parsed.has('v') {
                tool.line(format!("{}: removing directory, {}", tool.name, quoted(at))).await;
            }
            match tool.p.rmdir(at) {
                Ok(()) => {}
                Err(Errno::ENOTEMPTY) if parsed.has(IGNORE) => break,
                Err(e) => {
                    let what = if at == &**path { "failed to remove" } else { "failed to remove directory" };
                    tool.complain(format!("{what} {}: {e}", quoted(at))).await;
                    break;
                }
            }
            at = names::parent(at);
            if !parsed.has('p') || at == "." || at == "/" {
                break;
            }
        }
    }
    tool.done().await
}

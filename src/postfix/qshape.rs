//! qshape(1): how many recipients wait for which domain, and for how long.
//!
//! Columns are ages in minutes: `-t` the first, `-b` how many, `-l` all of the same width instead
//! of each twice the one before. `-s` counts messages by the sender's domain; `-p` adds parent
//! domains, from `-m` subdomains on; `-w` is the width of the page. Queues are `incoming` and
//! `active` unless others are named.

use super::getopt;
use super::queue::{self, QueueFile};
use crate::world::errno::Errno;
use crate::world::process::Process;
use std::collections::BTreeMap;
use std::fmt::Write;

const USAGE: &str = "\
    Usage: /usr/sbin/qshape [ -s ] [ -p ] [ -m <min_subdomains> ] [ -l ]\n\
    \t[ -b <bucket_count> ] [ -t <bucket_time> ] [ -w <terminal_width> ]\n\
    \t[ -N <batch_msg_count> ] [ -n <batch_top_domains> ]\n\
    \t[ -c <config_directory> ] [ <queue_name> ... ]\n\
    The 's' option shows sender domain counts.\n\
    The 'p' option shows address counts by for parent domains.\n\
    Parent domains are shown with a leading '.' before the domain name.\n\
    Parent domains are only shown if the domain is not a TLD, and at\n\
    least <min_subdomains> (default 5) subdomains are shown in the output.\n\
    \n\
    The bucket age ranges in units of <bucket_time> minutes are\n\
    [0,1), [1,2), [2,4), [4,8), [8, 16), ... i.e.:\n\
    \tthe first bucket is [0, bucket_time) minutes\n\
    \tthe second bucket is [bucket_time, 2*bucket_time) minutes\n\
    \tthe third bucket is [2*bucket_time, 4*bucket_time) minutes...\n\
    '-l' makes the ages linear, the number of buckets shown is <bucket_count>\n\
    \n\
    The default summary is for the incoming and active queues. An explicit\n\
    list of queue names can be given on the command line. Non-absolute queue\n\
    names are interpreted relative to the Postfix queue directory. Use\n\
    <config_directory> to specify a non-default Postfix instance.  Values of\n\
    the main.cf queue_directory parameter that use variable expansions are\n\
    not supported. If necessary, use explicit absolute paths for all queues.\n";

/// The exit status of a Perl program that dies.
const DIED: i32 = 255;

/// The command.
pub async fn main(p: Process) -> i32 {
    let options = match getopt::parse(&p.args(), "lspw:b:t:N:n:m:c:") {
        Ok(options) => options,
        Err(mistake) => {
            let letter = mistake.trim_end_matches('\'').chars().next_back().unwrap_or_default();
            p.eprint(format!("/usr/sbin/qshape: Unknown option: {letter}\n{USAGE}")).await;
            return DIED;
        }
    };
    let number = |letter, default: u64| match options.value(letter) {
        Some(text) => text.parse::<u64>().ok().filter(|n| (1..=100_000).contains(n)),
        None => Some(default),
    };
    let numbers = (number('b', 10), number('t', 5), number('w', 80), number('m', 5));
    let (Some(count), Some(first), Some(width), Some(least)) = numbers else {
        p.eprint(USAGE).await;
        return DIED;
    };
    let edges = edges(count.min(30), first, options.has('l'));
    let names: Vec<&str> = match options.rest.is_empty() {
        true => vec!["incoming", "active"],
        false => options.rest.iter().map(|q| &**q).collect(),
    };
    let mut shape = Shape { edges, rows: BTreeMap::new() };
    for name in names {
        let directory = if name.contains('/') { name.to_owned() } else { format!("{}/{name}", queue::SPOOL) };
        if let Err(e) = p.list(&directory) {
            let what = if e == Errno::ENOENT { "stat" } else { "cd to" };
            p.eprint(format!("Can't {what} {name}: {e}\n at /usr/sbin/qshape line 375.\n")).await;
            continue;
        }
        for (_, path) in queue::scan(&p, name) {
            if let Some(file) = p.read_file(&path).ok().and_then(|f| QueueFile::parse(f).ok()) {
                shape.count(&file, p.now().since(file.arrival).as_secs() / 60, options.has('s'));
            }
        }
    }
    p.print(shape.table(width as usize, options.has('p').then_some(least as usize))).await;
    0
}

/// Where the columns end, in minutes.
fn edges(count: u64, first: u64, is_linear: bool) -> Vec<u64> {
    (0..count.saturating_sub(1))
        .map(|n| if is_linear { first * (n + 1) } else { first.saturating_mul(1 << n.min(40)) })
        .collect()
}

/// Counts by domain and age; the last column is what is older than all edges.
struct Shape {
    edges: Vec<u64>,
    rows: BTreeMap<String, Vec<u64>>,
}

impl Shape {
    fn count(&mut self, file: &QueueFile, minutes: u64, by_sender: bool) {
        let column = self.edges.iter().position(|edge| minutes < *edge).unwrap_or(self.edges.len());
        let domain = |address: &str| match address.rsplit_once('@') {
            Some((_, domain)) => domain.to_lowercase(),
            None => "MAILER-DAEMON".to_owned(),
        };
        let mut add = |domain: String| {
            let row = self.rows.entry(domain).or_insert_with(|| vec![0; self.edges.len() + 1]);
            row[column] += 1;
        };
        if by_sender {
            add(domain(&file.sender));
        } else {
            file.recipients.iter().for_each(|r| add(domain(&r.address)));
        }
    }

    fn table(&self, width: usize, parents: Option<usize>) -> String {
        let mut rows: Vec<(String, Vec<u64>)> =
            self.rows.iter().map(|(d, r)| (d.clone(), r.clone())).collect();
        if let Some(least) = parents {
            rows.extend(self.parents(least));
        }
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.iter().sum::<u64>()));
        let total: Vec<u64> =
            (0..=self.edges.len()).map(|n| self.rows.values().map(|row| row[n]).sum()).collect();
        rows.insert(0, ("TOTAL".to_owned(), total));
        let mut heads = vec!["T".to_owned()];
        heads.extend(self.edges.iter().map(u64::to_string));
        heads.push(self.edges.last().map_or_else(|| "0+".to_owned(), |edge| format!("{edge}+")));
        let all = |row: &[u64]| -> Vec<String> {
            std::iter::once(row.iter().sum::<u64>())
                .chain(row.iter().copied())
                .map(|n| n.to_string())
                .collect()
        };
        let shown: Vec<Vec<String>> = rows.iter().map(|(_, row)| all(row)).collect();
        let widths: Vec<usize> = heads
            .iter()
            .enumerate()
            .map(|(n, head)| {
                shown.iter().map(|row| row[n].len()).max().unwrap_or(0).max(head.len()).max(2) + 1
            })
            .collect();
        let label = width.saturating_sub(widths.iter().sum()).max(1);
        let mut out = String::new();
        let mut line = |name: &str, cells: &[String]| {
            let name: String = name.chars().take(label).collect();
            let _ = write!(out, "{name:>label$}");
            for (cell, width) in cells.iter().zip(&widths) {
                let _ = write!(out, "{cell:>width$}");
            }
            out.push('\n');
        };
        line("", &heads);
        for ((name, _), cells) in rows.iter().zip(&shown) {
            line(name, cells);
        }
        out
    }

    /// Parent domains with at least so many subdomains, as `.parent`.
    fn parents(&self, least: usize) -> Vec<(String, Vec<u64>)> {
        let mut found: BTreeMap<String, (usize, Vec<u64>)> = BTreeMap::new();
        for (domain, row) in &self.rows {
            let mut rest = domain.as_str();
            while let Some((_, parent)) = rest.split_once('.').filter(|(_, parent)| parent.contains('.')) {
                let (count, sums) =
                    found.entry(format!(".{parent}")).or_insert_with(|| (0, vec![0; row.len()]));
                *count += 1;
                sums.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
                rest = parent;
            }
        }
        found.into_iter().filter(|(_, (n, _))| *n >= least).map(|(name, (_, row))| (name, row)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_real_one() {
        let mut shape = Shape { edges: edges(10, 5, false), rows: BTreeMap::new() };
        shape.rows.insert("far.example".into(), vec![2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            shape.table(80, None),
            "                                         T  5 10 20 40 80 160 320 640 1280 1280+\n\
             \u{20}                                 TOTAL  2  2  0  0  0  0   0   0   0    0     0\n\
             \u{20}                           far.example  2  2  0  0  0  0   0   0   0    0     0\n"
        );
    }
}

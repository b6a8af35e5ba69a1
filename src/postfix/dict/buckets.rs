//! The order in which Berkeley DB lists a hash: bucket after bucket, and within each page of a
//! bucket in the order of the keys. Keys hash to buckets as DB 5.3 does it (`__ham_func5`), with the
//! zero octet that Postfix puts behind keys and values; a table begins with two buckets, and one is
//! split each time that a bucket needs one more page.
//!
//! # Simplifications
//! Entries that DB keeps on pages of their own because of their size are ordered as if they were small.

const PAGE: usize = 4096;
/// The header of a page, in octets.
const HEADER: usize = 26;
/// What an entry takes beside key and value: two index slots, two type octets, two zeros.
const OVERHEAD: usize = 8;

struct Item {
    /// Its place among the entries.
    at: usize,
    hash: u32,
    octets: usize,
}

/// The pages of a bucket.
type Bucket = Vec<Vec<Item>>;

/// The places of `entries` (key and value), in the order in which they are listed.
pub fn order(entries: &[(String, String)]) -> Vec<usize> {
    let mut buckets: Vec<Bucket> = vec![Vec::new(), Vec::new()];
    let (mut high, mut low) = (1u32, 0u32);
    for (at, (key, value)) in entries.iter().enumerate() {
        let item = Item { at, hash: hash(key.as_bytes()), octets: key.len() + value.len() + OVERHEAD };
        let mut bucket = item.hash & high;
        if bucket as usize >= buckets.len() {
            bucket = item.hash & low;
        }
        if !put(&mut buckets[bucket as usize], item, entries) {
            continue;
        }
        let new = buckets.len() as u32;
        if new > high {
            low = high;
            high = new | low;
        }
        let old = std::mem::take(&mut buckets[(new & low) as usize]);
        buckets.push(Vec::new());
        for item in old.into_iter().flatten() {
            let place = if item.hash & high == new { new } else { new & low };
            put(&mut buckets[place as usize], item, entries);
        }
    }
    buckets.into_iter().flatten().flatten().map(|item| item.at).collect()
}

/// Puts an item where there is room; has a page been added to a bucket that had one?
fn put(bucket: &mut Bucket, item: Item, entries: &[(String, String)]) -> bool {
    let room = |page: &Vec<Item>| PAGE - HEADER >= item.octets + page.iter().map(|i| i.octets).sum::<usize>();
    match bucket.iter_mut().find(|page| room(page)) {
        Some(page) => {
            let at = page.partition_point(|other| entries[other.at].0 < entries[item.at].0);
            page.insert(at, item);
            false
        }
        None => {
            bucket.push(vec![item]);
            bucket.len() > 1
        }
    }
}

/// FNV-1 with its basis left out, over the key and its zero octet.
fn hash(key: &[u8]) -> u32 {
    key.iter().chain([&0]).fold(0, |hash: u32, b| hash.wrapping_mul(16_777_619) ^ u32::from(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_berkeley_db_lists_them() {
        let aliases = ["mailer-daemon", "postmaster", "@", "YP_MASTER_NAME", "YP_LAST_MODIFIED"]
            .map(|k| (k.to_owned(), "x".to_owned()));
        let listed: Vec<&str> = order(&aliases).into_iter().map(|at| aliases[at].0.as_str()).collect();
        assert_eq!(listed, ["@", "YP_LAST_MODIFIED", "YP_MASTER_NAME", "postmaster", "mailer-daemon"]);
    }

    #[test]
    fn each_entry_is_listed_once() {
        let many: Vec<_> = (0..3000).map(|i| (format!("user{i}@example.com"), format!("box {i}"))).collect();
        let mut places = order(&many);
        places.sort_unstable();
        assert_eq!(places, (0..3000).collect::<Vec<_>>());
    }
}

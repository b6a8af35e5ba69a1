//! The book: all directives of its chapters do what they say, no link is dead, and the index misses
//! nothing of 211.1.

use maillab::book::{Repository, index, mdbook};
use regex::Regex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The book as mdBook hands it over: the context, and some chapters by name and content.
fn input(chapters: &BTreeMap<String, String>) -> String {
    let items: Vec<Value> = chapters
        .iter()
        .map(|(name, content)| {
            json!({ "Chapter": { "name": name, "content": content, "source_path": name, "sub_items": [] } })
        })
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/en");
    let context =
        json!({ "root": root, "config": { "preprocessor": { "maillab": {} } }, "renderer": "html" });
    json!([context, { "items": items }]).to_string()
}

/// The chapters of the book as they are written.
fn chapters() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("book/en/src").expect("the book has a source").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        all.insert(name, fs::read_to_string(entry.path()).expect("a chapter is text"));
    }
    all
}

/// The chapters with their directives done.
fn rendered() -> BTreeMap<String, String> {
    let book = mdbook::preprocess(&input(&chapters())).unwrap_or_else(|wrong| panic!("{}", wrong.join("\n")));
    let book: Value = serde_json::from_str(&book).expect("the answer is JSON");
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let items = book["items"].as_array().expect("there are items");
    items.iter().map(|i| (text(&i["Chapter"]["name"]), text(&i["Chapter"]["content"]))).collect()
}

fn repository() -> Repository {
    Repository::new(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("this is the repository")
}

#[test]
fn every_chapter_is_made_and_its_links_lead_somewhere() {
    let chapters = rendered();
    let link = Regex::new(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)").expect("it is one");
    let mut dead = Vec::new();
    for (name, text) in &chapters {
        assert!(
            !text.contains("```maillab ") || name == "writing-scenarios.md",
            "{name} has a directive left"
        );
        for found in link.captures_iter(text) {
            let to = if found[1].is_empty() { name } else { &found[1] };
            let there = chapters.get(to).is_some_and(|page| {
                found.get(2).is_none_or(|anchor| anchors(page).contains(anchor.as_str()))
            });
            if !there {
                dead.push(format!("{name}: {}", &found[0]));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

/// The places of a page that a link can name.
fn anchors(page: &str) -> BTreeSet<String> {
    let named = Regex::new("id=\"([^\"]+)\"|\\{#([^}]+)\\}").expect("it is one");
    let mut all: BTreeSet<String> = named
        .captures_iter(page)
        .filter_map(|c| c.get(1).or(c.get(2)).map(|m| m.as_str().to_owned()))
        .collect();
    for heading in page.lines().filter(|l| l.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        all.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    all
}

#[test]
fn every_chapter_is_in_the_summary_and_every_lesson_has_one() {
    let chapters = chapters();
    let summary = &chapters["SUMMARY.md"];
    for name in chapters.keys().filter(|n| *n != "SUMMARY.md") {
        assert!(summary.contains(&format!("({name})")), "{name} is not in the summary");
    }
    for lesson in repository().lessons().expect("the lessons are well formed") {
        let chapter = chapters.get(&format!("{}.md", lesson.stem));
        let sends = format!("```maillab lesson {}\n", lesson.stem);
        assert!(chapter.is_some_and(|text| text.contains(&sends)), "no chapter leads to {}", lesson.stem);
    }
}

#[test]
fn the_index_misses_nothing_of_211_1() {
    let repository = repository();
    let lessons = repository.lessons().expect("the lessons are well formed");
    let objectives = index::objectives(&repository).expect("the data are well formed");
    let first = objectives.iter().find(|o| o.number == "211.1").expect("211.1 is there");
    let missing: Vec<&str> = first
        .terms
        .iter()
        .filter(|t| t.aside.is_none() && index::taught(t, &lessons).is_empty())
        .map(|t| t.name.as_str())
        .collect();
    // The course has fourteen lessons; what the last of them teach is missing until they are written.
    assert!(missing.is_empty() || lessons.len() < 14, "no lesson teaches {missing:?}");
}

#[test]
fn a_mistake_is_told_with_its_line() {
    let said = |chapter: &str| {
        let chapters = BTreeMap::from([("x.md".to_owned(), chapter.to_owned())]);
        mdbook::preprocess(&input(&chapters)).expect_err("it is a mistake").join("\n")
    };
    assert_eq!(
        said("# A\n\n```maillab run on=nowhere\n```\n"),
        "src/x.md:3: there is no `nowhere` in book/hosts or scenarios"
    );
    assert_eq!(
        said(
            "```maillab run on=small-internet\n- host: mx.example.com\n  shell: |\n    $ echo a\n    b\n```\n"
        ),
        "src/x.md:5: small-internet: step 1 heard “a”, not “b”"
    );
    assert_eq!(
        said("```maillab run on=small-internet\n- hots: mx.example.com\n```\n"),
        "src/x.md:2: small-internet: unknown key `hots` (expected one of the keys below)"
    );
    assert_eq!(said("```maillab reference all\n```\n"), "src/x.md:1: there is no reference `all`");
    assert_eq!(
        said("```maillab run on=small-internet step=9\n- wait: 1s\n```\n"),
        "src/x.md:1: there is no step 9: 1 to 1"
    );
    assert!(said("```maillab dance\n```\n").starts_with("src/x.md:1: `maillab dance` is no directive"));
}

#[test]
fn what_is_no_book_is_refused() {
    for text in ["", "{}", "[]", "[1]", "[{}, {}, {}]", "[{\"root\": \"/nonexistent\"}, {}]"] {
        assert!(mdbook::preprocess(text).is_err(), "{text}");
    }
}

/// Looks at what `mdbook build book/en` has written.
#[test]
#[ignore = "needs the built book; .ci/run builds it"]
fn the_built_book_has_no_dead_link() {
    let root = Path::new("book/en/book");
    let link = Regex::new("(?:href|src)=\"([^\"]*)\"").expect("it is one");
    let id = Regex::new("id=\"([^\"]*)\"").expect("it is one");
    let pages: Vec<PathBuf> = fs::read_dir(root)
        .expect("the book is built")
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "html"))
        .collect();
    assert!(pages.len() > 20, "there are {} pages", pages.len());
    let text = |p: &Path| fs::read_to_string(p).unwrap_or_default();
    let mut dead = BTreeSet::new();
    for page in &pages {
        let own = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for found in link.captures_iter(&text(page)) {
            let to = &found[1];
            // The page for what is not there is served at any place, and begins at the site's root.
            if to == "/" || to.contains("://") || to.starts_with("data:") || to.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = to.split_once('#').unwrap_or((to, ""));
            let target = root.join(if file.is_empty() { own.as_str() } else { file });
            let page = text(&target);
            let named = || id.captures_iter(&page).any(|c| &c[1] == anchor);
            if !target.is_file() || !(anchor.is_empty() || named()) {
                dead.insert(format!("{own}: {to}"));
            }
        }
    }
    assert!(dead.is_empty(), "dead links: {dead:#?}");
}

//! What mdBook gives a preprocessor on standard input, a JSON array of its context and the book, and
//! the book that it takes back (<https://rust-lang.github.io/mdBook/for_developers/preprocessors.html>).

use super::{Repository, chapter};
use serde_json::Value;
use std::path::Path;

/// From mdBook's input to what it is answered.
///
/// # Errors
/// What is wrong with the input, or with the directives of the chapters, a line each.
pub fn preprocess(input: &str) -> Result<String, Vec<String>> {
    let wrong = |what: String| vec![what];
    let parsed: Value =
        serde_json::from_str(input).map_err(|e| wrong(format!("this is not what mdBook says: {e}")))?;
    let Value::Array(parts) = parsed else {
        return Err(wrong("this is not what mdBook says: no array".to_owned()));
    };
    let Ok([context, mut book]) = <[Value; 2]>::try_from(parts) else {
        return Err(wrong("this is not what mdBook says: not a context and a book".to_owned()));
    };
    let root = Path::new(context["root"].as_str().unwrap_or("."));
    let source = context["config"]["book"]["src"].as_str().unwrap_or("src");
    let settings = &context["config"]["preprocessor"]["maillab"];
    let repository =
        Repository::new(&root.join(settings["repository"].as_str().unwrap_or("../.."))).map_err(wrong)?;
    let mut errors = Vec::new();
    // mdBook 0.4 called the items sections.
    for items in ["items", "sections"] {
        if let Some(Value::Array(items)) = book.get_mut(items) {
            items.iter_mut().for_each(|item| visit(&repository, source, item, &mut errors));
        }
    }
    if errors.is_empty() { Ok(book.to_string()) } else { Err(errors) }
}

fn visit(repository: &Repository, source: &str, item: &mut Value, errors: &mut Vec<String>) {
    let Some(chapter) = item.get_mut("Chapter") else { return };
    let file = chapter["source_path"].as_str().unwrap_or("?");
    let path = format!("{source}/{file}");
    if let Some(content) = chapter["content"].as_str() {
        match chapter::render(repository, content) {
            Ok(text) => chapter["content"] = Value::String(text),
            Err(wrong) => errors.extend(wrong.iter().map(|(line, what)| format!("{path}:{line}: {what}"))),
        }
    }
    if let Some(Value::Array(items)) = chapter.get_mut("sub_items") {
        items.iter_mut().for_each(|item| visit(repository, source, item, errors));
    }
}

//! `maillab book`: the preprocessor of the course, called by mdBook.

use maillab::book::mdbook;
use std::io::{Read, Write};

/// Does what mdBook asks: with `supports RENDERER` whether that renderer can show the book, else the
/// book from standard input to standard output. Gives the exit status.
pub fn book(question: &[String]) -> u8 {
    match question {
        [] => preprocess(),
        // Pictures and anchors are HTML.
        [supports, renderer] if supports == "supports" => u8::from(renderer != "html"),
        _ => {
            eprintln!("error: mdBook asks `maillab book` or `maillab book supports RENDERER`");
            2
        }
    }
}

fn preprocess() -> u8 {
    let mut input = String::new();
    if let Err(e) = std::io::stdin().read_to_string(&mut input) {
        eprintln!("error: standard input: {e}");
        return 2;
    }
    match mdbook::preprocess(&input) {
        Ok(book) => match std::io::stdout().write_all(book.as_bytes()) {
            Ok(()) => 0,
            Err(e) => {
                eprintln!("error: standard output: {e}");
                1
            }
        },
        Err(wrong) => {
            for what in wrong {
                eprintln!("error: {what}");
            }
            1
        }
    }
}

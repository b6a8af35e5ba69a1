//! The line one types: rustyline with the lab's completion, hints and colours, or plain lines from
//! a pipe; and the editor.

use super::act::Act;
use super::complete;
use super::session::{Answer, Session};
use colored::Colorize;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext, EventHandler,
    Helper, KeyEvent, RepeatCount, Validator,
};
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// telnet's escape character, Ctrl-].
const ESCAPE: &str = "\x1d";
/// The most lines of history that are kept.
const HISTORY: usize = 5000;

/// What rustyline asks while a line is typed.
#[derive(Helper, Validator)]
struct Typing {
    session: Rc<RefCell<Session>>,
    colour: bool,
}

impl Completer for Typing {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let session = self.session.borrow();
        Ok(complete::candidates(&session, line.get(..pos).unwrap_or(line)))
    }
}

impl Hinter for Typing {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        if pos < line.len() {
            return None;
        }
        complete::hint(&self.session.borrow(), line)
    }
}

impl Highlighter for Typing {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        let session = self.session.borrow();
        if session.lab().place().is_some_and(|p| p.is_silent()) {
            return Cow::Owned(" ".repeat(line.chars().count()));
        }
        match self.colour && session.lab().in_dialogue() && !line.starts_with(':') {
            true => Cow::Owned(line.yellow().to_string()),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        let session = self.session.borrow();
        session.lab().in_dialogue() || session.lab().place().is_some_and(|p| p.is_silent())
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { Cow::Owned(hint.bright_black().to_string()) } else { Cow::Borrowed(hint) }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        match self.colour && prompt.ends_with(['$', '#', ' ']) && prompt.contains('@') {
            true => Cow::Owned(prompt.bold().to_string()),
            false => Cow::Borrowed(prompt),
        }
    }
}

/// Ctrl-] in a dialogue sends telnet's escape character.
#[derive(Clone, Default)]
struct Escape {
    in_dialogue: Arc<AtomicBool>,
    typed: Arc<AtomicBool>,
}

impl ConditionalEventHandler for Escape {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        if !self.in_dialogue.load(Ordering::Relaxed) {
            return None;
        }
        self.typed.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

/// The folder for what is kept between sessions (XDG Base Directory Specification,
/// `$XDG_STATE_HOME`); `None` where there is not even a home.
pub fn state_folder() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = var("XDG_STATE_HOME").or_else(|| var("HOME").map(|h| h.join(".local/state")))?;
    Some(state.join("maillab"))
}

/// A session at a terminal; gives the exit status.
pub fn at_terminal(session: Session, colour: bool) -> u8 {
    let session = Rc::new(RefCell::new(session));
    let config = Config::builder().completion_type(CompletionType::List).max_history_size(HISTORY);
    let config = config.map(|b| b.auto_add_history(false).build());
    let editor = config.and_then(Editor::<Typing, DefaultHistory>::with_config);
    let mut editor = match editor {
        Ok(editor) => editor,
        Err(e) => {
            eprintln!("error: this terminal cannot be used: {e}");
            return 2;
        }
    };
    editor.set_helper(Some(Typing { session: session.clone(), colour }));
    let escape = Escape::default();
    editor.bind_sequence(KeyEvent::ctrl(']'), EventHandler::Conditional(Box::new(escape.clone())));
    let history = state_folder().map(|folder| folder.join("history"));
    if let Some(file) = &history {
        // The first session has none.
        let _ = editor.load_history(file);
    }
    let status = converse(&session, &mut editor, &escape, colour);
    if let Some(file) = &history {
        let saved = file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(ReadlineError::Io);
        if let Err(e) = saved.and_then(|()| editor.save_history(file)) {
            eprintln!("note: the history could not be kept: {}: {e}", file.display());
        }
    }
    status
}

fn converse(
    session: &Rc<RefCell<Session>>,
    editor: &mut Editor<Typing, DefaultHistory>,
    escape: &Escape,
    colour: bool,
) -> u8 {
    loop {
        edit(session);
        let prompt = session.borrow().prompt();
        escape.in_dialogue.store(session.borrow().lab().in_dialogue(), Ordering::Relaxed);
        let silent = session.borrow().lab().place().is_some_and(|p| p.is_silent());
        let answer = match editor.readline(&prompt) {
            Ok(_) if escape.typed.swap(false, Ordering::Relaxed) => {
                session.borrow_mut().key(Act::Line(ESCAPE.to_owned()))
            }
            Ok(line) => {
                if !silent && !line.trim().is_empty() {
                    // A line that is not remembered is no reason to stop.
                    let _ = editor.add_history_entry(line.as_str());
                }
                session.borrow_mut().line(&line)
            }
            Err(ReadlineError::Interrupted) if session.borrow().lab().at_prompt() => {
                println!("^C");
                continue;
            }
            Err(ReadlineError::Interrupted) => {
                println!("^C");
                session.borrow_mut().key(Act::Interrupt)
            }
            Err(ReadlineError::Eof) => session.borrow_mut().key(Act::End),
            Err(e) => {
                eprintln!("error: {e}");
                return 2;
            }
        };
        show(&answer, colour);
        if let Some(failure) = session.borrow().failure() {
            eprintln!("error: a program of the lab failed: {failure}");
            return 3;
        }
        if answer.leave {
            return 0;
        }
    }
}

/// A session whose lines come from a pipe; gives the exit status.
pub fn from_pipe(mut session: Session, colour: bool) -> u8 {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else {
            eprintln!("error: the input is not UTF-8");
            return 2;
        };
        let answer = session.line(&line);
        show(&answer, colour);
        if let Some(failure) = session.failure() {
            eprintln!("error: a program of the lab failed: {failure}");
            return 3;
        }
        if answer.leave {
            break;
        }
    }
    0
}

/// Shows what came of a line.
fn show(answer: &Answer, colour: bool) {
    let mut out = std::io::stdout().lock();
    let said = match colour && answer.by_server {
        true => answer.said.split_inclusive('\n').map(painted).collect(),
        false => answer.said.clone(),
    };
    let ended = said.is_empty() || said.ends_with('\n') || answer.notes.is_empty();
    let notes = match answer.notes.is_empty() || answer.notes.ends_with('\n') {
        true => answer.notes.clone(),
        false => format!("{}\n", answer.notes),
    };
    // Standard output may be closed; there is nobody to tell then.
    let _ = write!(out, "{said}{}{notes}", if ended { "" } else { "\n" });
    let _ = out.flush();
}

/// A server's line, told apart from one's own.
fn painted(line: &str) -> String {
    match line.strip_suffix('\n') {
        Some(text) => format!("{}\n", text.cyan()),
        None => line.cyan().to_string(),
    }
}

/// Opens the editor on a text that a program wants to have edited, and gives it back.
fn edit(session: &Rc<RefCell<Session>>) {
    loop {
        let draft = session.borrow().lab().place().and_then(|p| p.draft());
        let Some(draft) = draft else { return };
        let text = edited(&draft.name, &draft.text);
        let text = text.unwrap_or_else(|why| {
            eprintln!("note: {} stays as it was: {why}", draft.name);
            None
        });
        let answer = session.borrow_mut().key(Act::Edited(text));
        show(&answer, false);
    }
}

/// The text as the editor leaves it; `None` when it fails or changes nothing.
fn edited(name: &str, text: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let plain = |e: std::io::Error| e.to_string();
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
    let editor = var("VISUAL").or_else(|| var("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let directory = tempfile::tempdir().map_err(plain)?;
    let base = name.rsplit('/').next().filter(|b| !b.is_empty()).unwrap_or("text");
    let file = directory.path().join(base);
    std::fs::write(&file, text).map_err(plain)?;
    // The variable may hold options, as in `code --wait`; a shell takes it apart.
    let command = format!("{editor} \"$1\"");
    let ended = std::process::Command::new("/bin/sh").args(["-c", &command, "editor"]).arg(&file).status();
    match ended {
        Ok(status) if status.success() => std::fs::read(&file).map(Some).map_err(plain),
        Ok(_) => Err(format!("{editor} did not end well")),
        Err(e) => Err(format!("{editor} cannot be started: {e}; set EDITOR")),
    }
}

//! Lessons: a text, a small Internet, and tasks whose solutions are checked by what then happens.
//!
//! - [`model`]: a lesson; [`load`]: from its file to it, by way of [`markdown`]
//! - [`library`]: where the files are: in the program, or in a folder
//! - [`check`]: has a task been solved? Asked of a copy of the learner's world
//! - [`course`]: the lesson in the lab: its commands, and what it says after a line
//! - [`journal`]: what a learner did, kept between sessions
//! - [`learn`]: the list of lessons, opening one, forgetting; [`report`]: the teacher's report
//!
//! # The file of a lesson
//!
//! One Markdown file a lesson, `lessons/NN-name.md`; NN is its number in the course. The book shows
//! the same file, so it has to read well there. Another language's lessons are a folder of the same
//! form: `maillab learn --lessons FOLDER`. The keywords (`### Hint`, `else:`) are the same in each.
//!
//! ````markdown
//! ---
//! title: SMTP, spoken by hand
//! objectives: [211.1]            # of LPIC-2
//! scenario: small-internet       # lessons/hosts/NAME.yaml; or a scenario itself, without steps
//! host: lpic2-study-1            # where the learner sits down
//! user: wand                     # root, or a user of that host; root where it is left out
//! minutes: 15
//! terms: [SMTP]                  # key terms of the objective that are taught; for the book's index
//! parameters: [smtpd_banner]     # parameters of Postfix that are taught
//! ---
//!
//! An introduction: a few lines on what it is about.
//!
//! ## Greet a server
//!
//! The goal: what is to be done, not how. Ten lines on a screen at most.
//!
//! ### Hint
//!
//! Two hints at least, each a `### Hint`, each giving away more than the one before.
//!
//! ### Question
//!
//! ```yaml
//! choices: ["250", "550"]        # optional; may be answered a, b, …
//! answer: "550.*"                # a regular expression for the whole answer, in any case of letters
//! wrong:                         # optional: what is said to particular wrong answers
//!   - {given: "250", say: "That would be so if there were a user of that name."}
//! else: "Think of who has to know whether there is such a user."
//! ```
//!
//! ### Check
//!
//! ```yaml
//! - happened: 'telnet[..]→ mx:25  "EHLO '
//!   else: Nobody has greeted mx.example.com yet.
//! - host: mx.example.com
//!   shell: |
//!     $ grep -c '^Subject:' /var/mail/alice
//!     1
//!   else: "alice should have one letter, and has {got}."
//! ```
//!
//! ### Solution
//!
//! ```text
//! telnet mx.example.com 25
//! EHLO lpic2-study-1
//! QUIT
//! ```
//!
//! ### Explanation
//!
//! Its first sentence is said when the task is solved, all of it at `:explain`.
//! ````
//!
//! A task has a goal, two hints or more, a question or a check or both, a solution and an
//! explanation.
//!
//! **The check** is a list of findings, tried in order on a copy of the learner's world: the hosts
//! booted again and everything that was typed done again. The first one that does not come out
//! ends it, and its `else` is said; `{got}` in there stands for the line that came where another
//! was expected. When all come out the task is solved. A finding is
//!
//! - a step of a scenario (`host`, `as` and `shell`; `host`, `telnet` and `chat`; `wait`, …), which comes
//!   out when what is expected in it comes. One that expects nothing needs no `else`: it prepares
//!   for what follows. Commands have no input, and their exit status counts for nothing. Where the
//!   learner has stopped time, it stands for commands of a check as well, so that they find a letter
//!   where it was stopped; conversations and waits let it go on.
//! - `happened: TEXT`: since the start of the session there has been an event whose line in `:trace`
//!   holds TEXT, in which `[..]` stands for any text, and letters may be of either case
//!   (also in `never` and `typed`); of a list of texts one is enough
//! - `never: TEXT`: there has been none
//! - `typed: TEXT`: the learner has typed a line that holds TEXT, in the same manner; only where
//!   nothing but the typing itself is taught, since many lines do the same
//!
//! Findings stand from the farthest from the solution to the nearest, so that the message names the
//! learner's next mistake. A check is tried after each line that is typed, unless the session has
//! become long; so it must say no on the untouched world, and should need no other task to have been done.
//!
//! **The question** is answered with `:answer`, before the thing is tried. With a check beside it the
//! task is solved when the answer is right and the check comes out.
//!
//! **The solution** is lines as they are typed in the lab; `:go` and the other commands of the lab may be
//! among them, and `:answer`.
//!
//! `tests/lessons/NN-name.yaml` stands beside each lesson: other right solutions, and wrong ones with
//! the message that they get. `maillab check lessons` reads the files and says what is wrong with them.

pub mod check;
pub mod course;
pub mod journal;
pub mod learn;
pub mod library;
pub mod load;
pub mod markdown;
pub mod model;
pub mod report;

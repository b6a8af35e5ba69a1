//! A lesson in the lab: its commands, and what it says after a line that is typed.

use super::check::{self, Verdict};
use super::journal::{Record, Solved, TaskRecord};
use super::markdown::{first_sentence, screen};
use super::model::{Lesson, Task};
use crate::repl::commands::{Command, Done, wrapped};
use crate::repl::guide::Guide;
use crate::repl::lab::Lab;
use crate::repl::session::{Answer, Refusal, Session};
use std::path::PathBuf;
use std::rc::Rc;

/// The longest session, in events, whose tasks are checked after each line. Done again, such a
/// session takes some thirty milliseconds.
const WATCHED: u32 = 30_000;
/// How wide the head of a task is, in columns.
const WIDTH: usize = 78;

/// The commands of a lesson.
const COMMANDS: &[Command] = &[
    Command::of_guide(
        "task",
        "[N]",
        "what is to be done; go to task N",
        "The tasks may be done in any order; nothing of what you did is lost by going to another.",
    ),
    Command::of_guide(
        "hint",
        "",
        "a hint, and a stronger one next time",
        "Each task has a few; the last one nearly says it.",
    ),
    Command::of_guide(
        "answer",
        "TEXT",
        "answer the task's question",
        "Say what you expect before you try it. Where there are choices, their letter will do.",
    ),
    Command::of_guide(
        "check",
        "",
        "is it solved? If not, what is wrong",
        "Looks at a copy of your world; nothing in it changes. A solved task is noticed without it.",
    ),
    Command::of_guide("solution", "", "one way to do it", "As lines that you can type."),
    Command::of_guide(
        "explain",
        "[N]",
        "why it is so, once it is solved",
        "Without N, the task that was solved last.",
    ),
    Command::of_guide("skip", "", "go on to the next task", "You may come back with :task N."),
    Command::of_guide(
        "lesson",
        "",
        "what it is about, and all its tasks",
        "The introduction, and a line for each task with what has become of it.",
    ),
    Command::of_guide(
        "reset",
        "",
        "the hosts as they were at the start",
        "What is solved stays solved. `maillab learn --reset NAME` forgets that as well.",
    ),
];

/// A lesson that is being taken.
pub struct Course {
    lesson: Rc<Lesson>,
    record: Record,
    /// Where the record is kept, if anywhere.
    file: Option<PathBuf>,
    /// What the lab was like when it was last checked: the acts done, and the events.
    seen: (usize, u32),
    /// The task that was solved last.
    last: Option<usize>,
}

impl Course {
    /// A lesson, begun before or not. The record is kept in `file` after every line.
    pub fn new(lesson: Rc<Lesson>, record: Record, file: Option<PathBuf>) -> Course {
        let mut course = Course { lesson, record, file, seen: (0, 0), last: None };
        course.record.task = course.record.task.clamp(1, course.lesson.tasks.len().max(1));
        course
    }

    /// What is said before the first prompt.
    pub fn opening(&self, session: &Session) -> String {
        let mut out = format!("{}\n\n", self.lesson.title);
        if self.record.is_begun() {
            let (solved, all) = (self.record.solved(), self.lesson.tasks.len());
            out.push_str(&format!("  You have been here: {solved} of {all} tasks are solved, and the hosts are as you left them.\n"));
        } else {
            out.push_str(&screen(&self.lesson.introduction));
            out.push('\n');
            out.push_str(&crate::repl::start::hosts(session.lab()));
        }
        out.push('\n');
        out.push_str(&self.task_text());
        out
    }

    fn number(&self) -> usize {
        self.record.task
    }

    fn task(&self) -> Result<&Task, Refusal> {
        check::task(&self.lesson, self.number()).ok_or_else(|| "There is no such task.".to_owned())
    }

    fn entry(&mut self, task: usize) -> &mut TaskRecord {
        self.record.tasks.entry(task).or_default()
    }

    /// The head of the present task and its goal.
    fn task_text(&self) -> String {
        let (lesson, number) = (&self.lesson, self.number());
        let Ok(task) = self.task() else { return String::new() };
        let left =
            format!("{}   ({}, {} minutes)", lesson.title, lesson.objectives.join(", "), lesson.minutes);
        let right = format!("task {number} of {}", lesson.tasks.len());
        let gap = WIDTH.saturating_sub(left.chars().count() + right.chars().count()).max(2);
        let solved = if self.record.is_solved(number) { "   ✓ solved" } else { "" };
        let mut out =
            format!("{left}{}{right}\n  {}{solved}\n\n{}", " ".repeat(gap), task.title, screen(&task.goal));
        if let Some(question) = &task.question {
            for (letter, choice) in ('a'..='z').zip(&question.choices) {
                out.push_str(&format!("    {letter})  {choice}\n"));
            }
        }
        let answer = if task.question.is_some() { "  :answer TEXT" } else { "" };
        out.push_str(&format!("\n{answer}  :hint  :check  :solution  :skip\n"));
        out
    }

    fn go(&mut self, args: &str) -> Done {
        if !args.is_empty() {
            self.record.task = self.numbered(args)?;
            // What is there may already do.
            self.seen = (0, 0);
        }
        Ok(Answer::note(self.task_text()))
    }

    fn numbered(&self, args: &str) -> Result<usize, Refusal> {
        let all = self.lesson.tasks.len();
        let number = args.parse().ok().filter(|n| (1..=all).contains(n));
        number.ok_or_else(|| format!("`{args}` is no task; there are tasks 1 to {all}."))
    }

    fn hint(&mut self) -> Done {
        let (number, hints) = (self.number(), self.task()?.hints.clone());
        let entry = self.entry(number);
        let n = entry.hints.min(hints.len().saturating_sub(1));
        entry.hints = n + 1;
        let hint = hints.get(n).map_or(String::new(), |h| screen(h));
        let more = match hints.len() - (n + 1) {
            0 => "That was the last hint; :solution shows one way to do it.".to_owned(),
            1 => "One more hint: :hint".to_owned(),
            left => format!("{left} more hints: :hint"),
        };
        Ok(Answer::note(format!("{hint}  {more}\n")))
    }

    fn solution(&mut self) -> Done {
        let number = self.number();
        let lines: String = self.task()?.solution.iter().map(|l| format!("    {l}\n")).collect();
        self.entry(number).shown = true;
        Ok(Answer::note(format!("  One way to do it:\n\n{lines}")))
    }

    fn explain(&mut self, args: &str) -> Done {
        let number = if args.is_empty() { self.last.unwrap_or(self.number()) } else { self.numbered(args)? };
        let entry = self.record.tasks.get(&number).cloned().unwrap_or_default();
        if entry.solved.is_none() && !entry.shown {
            return Err(format!("Task {number} is not solved yet; :solution shows one way to do it."));
        }
        let task = check::task(&self.lesson, number).ok_or("There is no such task.")?;
        Ok(Answer::note(screen(&task.explanation)))
    }

    fn skip(&mut self) -> Done {
        let number = self.number();
        if !self.record.is_solved(number) {
            self.entry(number).skipped = true;
        }
        match self.next(number) {
            Some(next) => self.go(&next.to_string()),
            None => Ok(Answer::note("All other tasks are solved.")),
        }
    }

    /// The next task that is not solved, after this one or else before it.
    fn next(&self, number: usize) -> Option<usize> {
        let all = self.lesson.tasks.len();
        let open = |n: &usize| !self.record.is_solved(*n);
        (number + 1..=all).find(open).or_else(|| (1..number).find(open))
    }

    fn answer(&mut self, session: &Session, args: &str) -> Done {
        let number = self.number();
        let Some(question) = self.task()?.question.clone() else {
            return Err("This task asks nothing; what is done in the lab counts.".to_owned());
        };
        if args.is_empty() {
            return Err("What do you answer? :answer TEXT".to_owned());
        }
        self.entry(number).answers.push(args.to_owned());
        if let Err(say) = question.take(args) {
            return Err(flagged(&format!("✗ Not so: {say}")));
        }
        if let Ok(Verdict::Solved) = check::check(self.task()?, session.lab()) {
            return Ok(Answer::note(self.solve(session.lab())));
        }
        Ok(Answer::note("Yes. Now see it happen: the task is solved when it has.\n"))
    }

    /// Has the question of the present task been answered rightly, if there is one?
    fn is_answered(&self) -> bool {
        let Ok(task) = self.task() else { return false };
        let given = self.record.tasks.get(&self.number()).and_then(|t| t.answers.last());
        task.question.as_ref().is_none_or(|q| given.is_some_and(|g| q.take(g).is_ok()))
    }

    fn check(&mut self, session: &Session) -> Done {
        let number = self.number();
        self.see(session.lab());
        if !self.is_answered() {
            self.entry(number).checks += 1;
            return Err("✗ The question is not answered yet: :answer TEXT\n".to_owned());
        }
        match check::check(self.task()?, session.lab())? {
            Verdict::Solved if self.record.is_solved(number) => Ok(Answer::note("It is solved.\n")),
            Verdict::Solved => Ok(Answer::note(self.solve(session.lab()))),
            Verdict::NotYet(said) => {
                self.entry(number).checks += 1;
                Err(flagged(&format!("✗ Not yet: {said}")))
            }
        }
    }

    /// The present task is solved: says so, and goes to the next.
    fn solve(&mut self, lab: &Lab) -> String {
        let number = self.number();
        self.record.remember(lab);
        let attempt = self.record.attempts.len().saturating_sub(1);
        self.entry(number).solved = Some(Solved { attempt, acts: lab.journal().len() });
        self.last = Some(number);
        let why = self.task().map(|t| first_sentence(&t.explanation)).unwrap_or_default();
        let mut out = flagged(&format!("✓ task {number}: {why} (:explain)"));
        match self.next(number) {
            Some(next) => {
                self.record.task = next;
                let title = self.task().map(|t| t.title.clone()).unwrap_or_default();
                out.push_str(&format!("  Next is task {next}, {title}:  :task\n"));
            }
            None => out.push_str("  That was the last one: the lesson is done. Ctrl-D leaves; `maillab learn` lists the others.\n"),
        }
        out
    }

    fn see(&mut self, lab: &Lab) {
        self.seen = (lab.journal().len(), lab.world().trace().len());
    }

    /// Looks whether the present task has been solved by what was typed.
    fn look(&mut self, session: &Session, answer: &Answer) -> Option<String> {
        let lab = session.lab();
        let now = (lab.journal().len(), lab.world().trace().len());
        let silent = answer.said.is_empty() && lab.in_dialogue();
        if now == self.seen || now.0 == 0 || now.1 > WATCHED || silent || lab.failure().is_some() {
            return None;
        }
        self.see(lab);
        if self.record.is_solved(self.number()) || !self.is_answered() {
            return None;
        }
        match check::check(self.task().ok()?, lab) {
            Ok(Verdict::Solved) => Some(self.solve(lab)),
            _ => None,
        }
    }

    fn overview(&self) -> String {
        let mut out = format!("{}\n\n{}\n", self.lesson.title, screen(&self.lesson.introduction));
        for (n, task) in (1..).zip(&self.lesson.tasks) {
            let entry = self.record.tasks.get(&n);
            let state = match entry {
                Some(t) if t.solved.is_some() => "solved",
                Some(t) if t.skipped => "skipped",
                _ if n == self.number() => "you are here",
                _ => "",
            };
            out.push_str(format!("  {n}  {:<56}  {state}", task.title).trim_end());
            out.push('\n');
        }
        out
    }
}

/// A text in lines, the mark at its start standing out.
fn flagged(text: &str) -> String {
    wrapped(text).trim_start().to_owned()
}

impl Guide for Course {
    fn commands(&self) -> &'static [Command] {
        COMMANDS
    }

    fn run(&mut self, session: &mut Session, name: &str, args: &str) -> Done {
        match name {
            "task" => self.go(args),
            "hint" => self.hint(),
            "answer" => self.answer(session, args),
            "check" => self.check(session),
            "solution" => self.solution(),
            "explain" => self.explain(args),
            "skip" => self.skip(),
            "lesson" => Ok(Answer::note(self.overview())),
            _ => {
                session.reset()?;
                self.seen = (0, 0);
                Ok(Answer::note("The hosts are as they were at the start; what is solved stays solved."))
            }
        }
    }

    fn after(&mut self, session: &Session, answer: &Answer) -> String {
        let mut out = self.look(session, answer).unwrap_or_default();
        self.record.remember(session.lab());
        if let Some(file) = &self.file
            && let Err(e) = self.record.save(file)
        {
            out.push_str(&format!("note: your progress cannot be kept: {}: {e}\n", file.display()));
            self.file = None;
        }
        out
    }
}

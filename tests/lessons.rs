//! The lessons: every task is solved by its own solution and by others, refused with the right
//! message where something is missing, and not solved by itself. `tests/lessons/NN-name.yaml` says
//! which solutions are right and which wrong; `MAILLAB_LESSON=02` tries those of one lesson alone.

use maillab::lesson::course::Course;
use maillab::lesson::journal::Record;
use maillab::lesson::learn;
use maillab::lesson::library::Library;
use maillab::lesson::model::Lesson;
use maillab::repl::session::Session;
use std::path::Path;
use std::rc::Rc;

const FAILED: &str = "✗ Not yet: ";
const SOLVED: &str = "It is solved.";
const WRONG: &str = "✗ Not so: ";

#[test]
fn every_task_is_solved_by_what_is_right_and_refused_what_is_wrong() {
    let library = source();
    let only = std::env::var("MAILLAB_LESSON").unwrap_or_default();
    let stems = library.stems().expect("there are lessons");
    let complaints = std::sync::Mutex::new(Vec::new());
    // A lesson a thread; a world lives in one, and shells run in one another.
    std::thread::scope(|scope| {
        for stem in stems.iter().filter(|s| s.starts_with(&only)) {
            let one = || {
                let lesson = source().read(stem, false).unwrap_or_else(|e| panic!("{e}"));
                let mut found = Vec::new();
                try_lesson(&Rc::new(lesson), &mut found);
                complaints.lock().expect("no other has failed").extend(found);
            };
            std::thread::Builder::new()
                .stack_size(64 << 20)
                .spawn_scoped(scope, one)
                .expect("a thread can be started");
        }
    });
    let complaints = complaints.into_inner().expect("no thread has failed");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The lessons of the source: the same as the program's own, and read without building it anew.
fn source() -> Library {
    Library::new(Some(Path::new("lessons")))
}

fn try_lesson(lesson: &Rc<Lesson>, complaints: &mut Vec<String>) {
    let path = Path::new("tests/lessons").join(format!("{}.yaml", lesson.stem));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let cases: serde_yaml::Value =
        serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let cases = cases.as_sequence().cloned().unwrap_or_default();
    for (number, task) in (1..).zip(&lesson.tasks) {
        let mut complain = |what: String| complaints.push(format!("{}, task {number}: {what}", lesson.stem));
        let case = cases.iter().find(|c| c["task"].as_u64() == Some(number as u64));
        let list = |name: &str| case.and_then(|c| c[name].as_sequence()).cloned().unwrap_or_default();
        let (right, wrong) = (list("right"), list("wrong"));
        if right.is_empty() {
            complain("there is no other right solution".to_owned());
        }
        if wrong.len() < 2 {
            complain(format!("there are {} wrong solutions, not two", wrong.len()));
        }
        let (solved, said) = attempt(lesson, number, "");
        if solved {
            complain("the untouched world solves it".to_owned());
        }
        if said.is_empty() {
            complain("the untouched world is told nothing".to_owned());
        }
        let own = task.solution.join("\n");
        for typed in std::iter::once(own.as_str()).chain(right.iter().filter_map(|r| r.as_str())) {
            let (solved, said) = attempt(lesson, number, typed);
            if !solved {
                complain(format!("this does not solve it ({said}):\n{typed}\n"));
            }
        }
        for case in &wrong {
            let (typed, expected) =
                (case["typed"].as_str().unwrap_or_default(), case["said"].as_str().unwrap_or_default());
            let (solved, said) = attempt(lesson, number, typed);
            if solved {
                complain(format!("this solves it:\n{typed}\n"));
            } else if said != words(expected) {
                complain(format!("wrong message\n    expected: {expected}\n    said:     {said}\n{typed}\n"));
            }
        }
    }
}

/// Types lines at a task; gives whether it was then solved, and what was said of it if not.
fn attempt(lesson: &Rc<Lesson>, number: usize, typed: &str) -> (bool, String) {
    let mut session = learn::start(lesson, true, false).unwrap_or_else(|e| panic!("{e}"));
    // Nobody looks on: each look takes as long as all the lines.
    let (answers, lines): (Vec<&str>, Vec<&str>) = typed.lines().partition(|l| l.starts_with(":answer"));
    for line in lines {
        session.line(line);
        if let Some(failure) = session.failure() {
            panic!("{}: {failure}", lesson.stem);
        }
    }
    follow(&mut session, lesson, number);
    let mark = format!("✓ task {number}:");
    let mut said = String::new();
    for answer in answers {
        said = session.line(answer).notes;
    }
    if !said.contains(&mark) && !said.starts_with(WRONG) {
        said = session.line(":check").notes;
    }
    let solved = said.contains(&mark) || said.starts_with(SOLVED);
    (solved, words(said.strip_prefix(FAILED).or(said.strip_prefix(WRONG)).unwrap_or(&said)))
}

/// The lesson looks on from now on, at one of its tasks.
fn follow(session: &mut Session, lesson: &Rc<Lesson>, task: usize) {
    let record = Record { task, ..Record::new(&lesson.stem, &lesson.source) };
    session.follow(Box::new(Course::new(lesson.clone(), record, None)));
}

fn open(lesson: &Rc<Lesson>) -> Session {
    let mut session = learn::start(lesson, true, false).unwrap_or_else(|e| panic!("{e}"));
    follow(&mut session, lesson, 1);
    session
}

/// A text in one line.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each lesson from its beginning to its end by its own solutions, in one session: every task is noticed
/// when it is solved, and the last one ends the lesson.
#[test]
fn solved_tasks_are_noticed() {
    let library = Library::new(None);
    for stem in library.stems().expect("there are lessons") {
        let lesson = Rc::new(library.read(&stem, false).unwrap_or_else(|e| panic!("{e}")));
        let mut session = open(&lesson);
        let mut said = String::new();
        for (n, task) in (1..).zip(&lesson.tasks) {
            let (host, user) = &lesson.seat;
            session.line(&format!(":task {n}"));
            session.line(&format!(":go {host} {user}"));
            let noticed = task.solution.iter().any(|line| {
                said = session.line(line).notes;
                said.contains(&format!("✓ task {n}:"))
            });
            assert!(noticed, "{stem}, task {n}: {said}");
        }
        assert!(said.contains("the lesson is done"), "{stem}: {said}");
    }
}

#[test]
fn a_screen_holds_each_task() {
    let library = source();
    for stem in library.stems().expect("there are lessons") {
        let lesson = Rc::new(library.read(&stem, false).unwrap_or_else(|e| panic!("{e}")));
        let mut session = open(&lesson);
        for number in 1..=lesson.tasks.len() {
            let said = session.line(&format!(":task {number}")).notes;
            assert!(said.lines().count() <= 20, "{stem}, task {number}:\n{said}");
            assert!(said.lines().all(|l| l.chars().count() <= 80), "{stem}, task {number}:\n{said}");
        }
    }
}

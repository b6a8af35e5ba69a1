//! A program of awk as a tree.

use crate::shell::commands::regex::Regex;
use std::rc::Rc;

/// Where a variable is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Global(usize),
    Local(usize),
}

pub enum Expr {
    Number(f64),
    Text(Rc<[u8]>),
    Regex(Rc<Regex>),
    Var(Place),
    Field(Box<Expr>),
    Index(Place, Vec<Expr>),
    In(Vec<Expr>, Place),
    /// The operator of `+=` and the like; 0 for `=`.
    Assign(u8, Box<Expr>, Box<Expr>),
    Cond(Box<Expr>, Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Match {
        negate: bool,
        text: Box<Expr>,
        pattern: Box<Expr>,
    },
    Compare(&'static str, Box<Expr>, Box<Expr>),
    Concat(Box<Expr>, Box<Expr>),
    Sum(u8, Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Plus(Box<Expr>),
    /// `++x`, `x--`: whether the old value is the result, what is added, to what.
    Step(bool, f64, Box<Expr>),
    Call(usize, Vec<Expr>),
    Builtin(&'static str, Vec<Expr>),
    /// `getline [var] [< file]`
    Getline(Option<Box<Expr>>, Option<Box<Expr>>),
    Group(Box<Expr>),
}

/// Where `print` writes.
pub enum Target {
    Standard,
    File(Expr, bool),
    Command(Expr),
}

pub enum Stmt {
    Expr(Expr),
    Print(Vec<Expr>, Target),
    Printf(Vec<Expr>, Target),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    While(Expr, Box<Stmt>),
    Do(Box<Stmt>, Expr),
    For(Option<Box<Stmt>>, Option<Expr>, Option<Box<Stmt>>, Box<Stmt>),
    ForIn(Place, Place, Box<Stmt>),
    Block(Vec<Stmt>),
    Delete(Place, Option<Vec<Expr>>),
    Break,
    Continue,
    Next,
    NextFile,
    Exit(Option<Expr>),
    Return(Option<Expr>),
}

pub enum Pattern {
    Always,
    Is(Expr),
    /// A range, with its number.
    Range(Expr, Expr, usize),
}

pub struct Function {
    pub name: String,
    pub parameters: usize,
    pub body: Option<Stmt>,
}

#[derive(Default)]
pub struct Program {
    pub begin: Vec<Stmt>,
    pub end: Vec<Stmt>,
    /// A pattern without an action prints the record.
    pub rules: Vec<(Pattern, Option<Stmt>)>,
    pub functions: Vec<Function>,
    pub globals: Vec<String>,
    pub ranges: usize,
    /// Does it take records by `getline` besides those of the main loop?
    pub takes_records: bool,
}

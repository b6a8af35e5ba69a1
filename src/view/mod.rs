//! What a person sees: pictures of the trace and of problems, and the style they share.
//!
//! - [`style`]: colour, decided once
//! - [`diagnostic`]: a problem in a file, shown with the text it is about
//! - [`snapshot`]: a trace as it is kept beside its scenario
//! - [`why`]: why a reply was given, why a letter is where it is
//! - [`mod@flow`], [`mod@svg`]: a letter's way as a picture, drawn from its [`mod@steps`]; [`mod@html`]: the
//!   trace as a page
//! - [`queue`]: every letter in a queue, on every host
//! - [`letter`], [`dialogue`]: a letter's life and a conversation, as the trace tells of them
//! - [`reading`], [`text`]: going through a trace; lines of a given width

pub mod diagnostic;
pub mod dialogue;
pub mod flow;
pub mod html;
pub mod letter;
pub mod queue;
pub mod reading;
pub mod snapshot;
pub mod steps;
pub mod style;
pub mod svg;
pub mod text;
pub mod why;

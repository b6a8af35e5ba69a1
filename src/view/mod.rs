//! What a person sees: pictures of the trace and of problems, and the style they share.
//!
//! - [`style`]: colour, decided once
//! - [`diagnostic`]: a problem in a file, shown with the text it is about
//! - [`snapshot`]: a trace as it is kept beside its scenario

pub mod diagnostic;
pub mod snapshot;
pub mod style;

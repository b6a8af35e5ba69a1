//! Scenarios: a small Internet in a file, and what happens on it.
//!
//! - [`load`]: from the file to a [`model::Scenario`], by way of [`yaml`]; what is wrong is a [`problem`]
//! - [`boot`](mod@boot): from there to a running world
//! - [`run`](mod@run): step after step, with [`talk`], [`trouble`] and what is expected ([`expect`])
//! - [`schema`]: the format for editors

pub mod boot;
pub mod expect;
pub mod load;
pub mod model;
pub mod problem;
pub mod run;
pub mod schema;
pub mod talk;
pub mod trouble;
pub mod yaml;

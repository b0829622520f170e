//! `ande`: what operators and validators do from a shell.
//!
//! Answers go to standard output, as text or with `--json` as one JSON document; what happens
//! meanwhile and errors go to standard error.

mod amount;
mod cli;
mod deployment;
mod devnet;
mod doctor;
mod drain;
mod evidence;
mod haproxy;
mod healthcheck;
mod import;
mod init;
mod keys;
mod logs;
mod manual;
mod output;
mod reference;
mod schedule;
mod secret;
mod send;
mod settings;
mod snapshot;
mod tx;
mod validator;
mod verify_l1;
mod watch;

pub use cli::{main, reference};
pub use reference::errors;

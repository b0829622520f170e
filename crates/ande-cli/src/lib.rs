//! `ande`: what operators and validators do from a shell.
//!
//! Answers go to standard output, as text or with `--json` as one JSON document; what happens
//! meanwhile and errors go to standard error.

mod amount;
mod cli;
mod deployment;
mod doctor;
mod haproxy;
mod healthcheck;
mod init;
mod keys;
mod output;
mod schedule;
mod send;
mod validator;
mod verify_l1;
mod watch;

pub use cli::main;

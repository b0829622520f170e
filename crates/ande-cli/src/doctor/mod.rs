//! `ande doctor`: what is wrong with a node's configuration, keys, ports, contracts, clock, disk.

mod args;
mod chain;
mod files;
mod finding;
mod machine;
mod network;

pub(crate) use args::DoctorArgs;

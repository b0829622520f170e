//! What nodes say of themselves, and what follows from it.

mod ask;
mod document;
mod screen;
mod status;
mod verdict;
mod why;

pub(crate) use ask::ask_one;
pub(crate) use status::StatusArgs;
pub(crate) use verdict::CLOCK_SKEW_MS;
pub(crate) use why::WhyStalledArgs;

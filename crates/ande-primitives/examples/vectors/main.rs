//! Writes the vectors that prove the contracts and this crate equal into the directory given as
//! the only argument.

mod generate;

use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: vectors DIRECTORY");
        return ExitCode::from(2);
    };
    let directory = PathBuf::from(directory);
    for (name, content) in generate::files() {
        let path = directory.join(name);
        if let Err(error) = std::fs::write(&path, content) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
        println!("{}", path.display());
    }
    ExitCode::SUCCESS
}

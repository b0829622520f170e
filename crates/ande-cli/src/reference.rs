//! The command line as a document.

use std::fmt::Write as _;

use clap::Command;

/// Columns of the document, whatever the terminal has.
const WIDTH: usize = 100;

/// `docs/cli.md`: every command with its help, as the program prints it.
pub(crate) fn markdown(root: Command) -> String {
    let mut root = root.term_width(WIDTH).disable_help_subcommand(true);
    root.build();
    let mut text = "# `ande`\n\n\
        Made of the program; `cargo xtask gen` writes this file.\n"
        .to_owned();
    write(&mut root, &mut text);
    text
}

fn write(command: &mut Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let _ = write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n"));
    for sub in command.get_subcommands_mut() {
        write(sub, text);
    }
}

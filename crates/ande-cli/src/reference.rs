//! What the programs say of themselves, as documents.

use std::fmt::Write as _;

use ande_node::{ERROR_CODES, EXIT_CODES as EXIT_CODES_OF_NODE};
use clap::Command;

use crate::cli::EXIT_CODES;

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

/// `docs/errors.md`: what programs and answers mean by their numbers.
#[must_use]
pub fn errors() -> String {
    let mut text = "# Errors\n\n\
        Made of the programs; `cargo xtask gen` writes this file. Errors say what was being done, why it \
        failed and what to do; where a program has to tell them apart, it goes by these numbers.\n"
        .to_owned();
    for (program, about, table) in [
        ("ande-node", "A restart can help after 1, not after 77 and 78.", EXIT_CODES_OF_NODE),
        ("ande", "", EXIT_CODES),
    ] {
        let _ = write!(text, "\n## Exit codes of `{program}`\n\n");
        if !about.is_empty() {
            let _ = write!(text, "{about}\n\n");
        }
        text.push_str("| Code | |\n|---|---|\n");
        for (code, meaning) in table {
            let _ = writeln!(text, "| {code} | {meaning} |");
        }
    }
    text.push_str(
        "\n## Codes of JSON-RPC errors\n\n\
         `error.code` of an answer; `error.message` says what is wrong with this one.\n\n\
         | Code | Meaning | Try again |\n|---|---|---|\n",
    );
    for it in ERROR_CODES {
        let _ = writeln!(text, "| {} | {} | {} |", it.code, it.meaning, it.again);
    }
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

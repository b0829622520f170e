//! Answers on standard output.

use std::io::{ErrorKind, Write as _};

use eyre::Result;
use serde::Serialize;

/// Form of the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// One JSON document instead of text.
    pub(crate) json: bool,
}

impl Output {
    /// An answer that is the same in both forms.
    pub(crate) fn text(self, text: &str) -> Result<()> {
        match std::io::stdout().write_all(text.as_bytes()) {
            // The reader of a pipe has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => Ok(result?),
        }
    }

    /// One thing: JSON, or the lines that `text` makes of it.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        if self.json {
            return self.text(&format!("{}\n", serde_json::to_string_pretty(value)?));
        }
        self.text(&text(value))
    }
}

/// The answer was given, and it is that something is wrong: exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("something is wrong")]
pub(crate) struct BadNews;

/// Longest text of others that is shown.
const MAX_PLAIN: usize = 300;

/// Text of others without what a terminal would obey, cut off where nobody would read on.
pub(crate) fn plain(text: &str) -> String {
    text.chars().take(MAX_PLAIN).map(visible).collect()
}

/// All of a text without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

/// What the user should know beside the answer.
#[allow(clippy::print_stderr, reason = "notes belong on standard error")]
pub(crate) fn note(text: &str) {
    eprintln!("ande: {text}");
}

/// Columns of text, each as wide as its widest cell; the last one is not padded.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.len())).max().unwrap_or(0)
    };
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (column, cell) in cells.iter().enumerate() {
            if column + 1 == cells.len() {
                text.push_str(cell);
            } else {
                let width = width(column);
                text.push_str(&format!("{cell:width$}  "));
            }
        }
        text.push('\n');
        text
    };
    let mut text = line(head.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let rows = [vec!["1".to_owned(), "long name".to_owned(), "x".to_owned()]];
        assert_eq!(
            table(&["ID", "NAME", "LAST"], &rows),
            "ID  NAME       LAST\n1   long name  x\n"
        );
    }
}

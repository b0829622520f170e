//! JSON with a fixed layout: one line per key, so that equal values are equal files.

use std::fmt::{self, Display};

/// A JSON value.
#[derive(Debug)]
pub enum Json {
    /// A number that every reader holds exactly.
    Number(u32),
    /// A string.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// An array, on one line.
    List(Vec<Json>),
    /// An object in the given order.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    /// A value as a string: decimal for wide integers, 0x-hex for bytes.
    pub fn text(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    if index != 0 {
                        f.write_str(",")?;
                    }
                    item.write(f, indent)?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}\n{:1$}\"{name}\": ", "", indent + 2)?;
                    value.write(f, indent + 2)?;
                }
                write!(f, "\n{:1$}}}", "", indent)
            }
        }
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)?;
        f.write_str("\n")
    }
}

/// Columns of a table: rows are appended, columns are written.
#[derive(Debug)]
pub struct Table {
    names: Vec<&'static str>,
    columns: Vec<Vec<Json>>,
}

impl Table {
    /// An empty table.
    pub fn new(names: &[&'static str]) -> Self {
        Self { names: names.to_vec(), columns: names.iter().map(|_| Vec::new()).collect() }
    }

    /// Appends a row with one cell per column.
    pub fn row<const N: usize>(&mut self, cells: [Json; N]) {
        assert_eq!(N, self.names.len(), "a cell per column");
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
    }

    /// The table as an object of arrays.
    pub fn into_json(self) -> Json {
        Json::Object(self.names.into_iter().zip(self.columns.into_iter().map(Json::List)).collect())
    }
}

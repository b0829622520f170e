//! The chain as a file: every block with the certificate that made it part of the chain. Whoever has
//! it can have the chain again without asking other nodes, and need not trust where it came from.

mod error;
mod export;
mod format;
mod import;
mod links;
#[cfg(test)]
mod sample;

pub use error::{Refusal, SnapshotError};
pub use export::{Exported, export_snapshot};
pub use format::FormatError;
pub use import::{Imported, import_snapshot};

//! Data of batches on Celestia, over the JSON-RPC of a Celestia node.
//!
//! The node is the operator's own: that a block has the data is what it says, checked against the
//! commitment here and against the header of the block there. Celestia nodes answer a submission
//! when it is in a block, and what went wrong is known only by text and not for certain, so nothing
//! is put again before it was looked for ([`CelestiaLayer`]).

mod failure;
mod layer;
mod namespace;
#[cfg(feature = "test-support")]
pub mod test_support;

pub use layer::{CelestiaError, CelestiaLayer, CelestiaOptions};
pub use namespace::{BlobNamespace, NamespaceError};

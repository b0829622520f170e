//! The namespace of a chain's blobs.

use core::fmt;
use std::str::FromStr;

use alloy_primitives::B256;
use celestia_types::nmt::{NS_ID_V0_SIZE, Namespace};

/// Text that names no namespace for blobs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamespaceError {
    /// Not hexadecimal, or too long.
    #[error("expected {} hexadecimal digits", 2 * NS_ID_V0_SIZE)]
    Form,
    /// Celestia's own.
    #[error("Celestia keeps this namespace for itself")]
    Reserved,
}

/// A namespace of version 0, the one for users. Equal on all nodes of a chain: commitments differ
/// between namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobNamespace(Namespace);

impl BlobNamespace {
    /// The namespace of a chain that has no other: the beginning of a hash that names the chain.
    #[must_use]
    pub fn of_chain(hash: B256) -> Self {
        let mut id = [0; NS_ID_V0_SIZE];
        id.copy_from_slice(&hash[..NS_ID_V0_SIZE]);
        // One bit keeps it out of the reserved ones, which begin with zeros.
        id[0] |= 0x80;
        Self(Namespace::const_v0(id))
    }

    pub(crate) const fn get(self) -> Namespace {
        self.0
    }
}

impl FromStr for BlobNamespace {
    type Err = NamespaceError;

    fn from_str(text: &str) -> Result<Self, NamespaceError> {
        let mut id = [0; NS_ID_V0_SIZE];
        hex::decode_to_slice(text, &mut id).map_err(|_| NamespaceError::Form)?;
        let namespace = Namespace::const_v0(id);
        if namespace.is_reserved() { Err(NamespaceError::Reserved) } else { Ok(Self(namespace)) }
    }
}

impl fmt::Display for BlobNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0.id_v0().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_users_are_taken() {
        let text = "00000000000000616e64";
        assert_eq!(text.parse::<BlobNamespace>().unwrap().to_string(), text);
        for (text, error) in [
            ("", NamespaceError::Form),
            ("616e6465", NamespaceError::Form),
            ("zz000000000000616e64", NamespaceError::Form),
            ("00000000000000000004", NamespaceError::Reserved),
        ] {
            assert_eq!(text.parse::<BlobNamespace>(), Err(error), "{text}");
        }
        for hash in [B256::ZERO, B256::repeat_byte(0xff)] {
            let namespace = BlobNamespace::of_chain(hash);
            assert_eq!(namespace.to_string().parse(), Ok(namespace));
        }
    }
}

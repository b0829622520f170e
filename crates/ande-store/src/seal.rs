//! Checksums of stored values: disks and operators change bits, the program must notice.

use crate::StoreError;

const SUM_BYTES: usize = 4;

/// Where a value is stored: part of its checksum, so that a value in the wrong row is noticed too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    /// The row's other columns, in a fixed order and of fixed lengths.
    pub(crate) key: &'a [u8],
}

impl Place<'_> {
    fn sum(&self, content: &[u8]) -> [u8; SUM_BYTES] {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.table.as_bytes());
        hasher.update(&[0]);
        hasher.update(self.key);
        hasher.update(content);
        hasher.finalize().to_be_bytes()
    }

    /// Appends the checksum to `content`.
    pub(crate) fn seal(&self, mut content: Vec<u8>) -> Vec<u8> {
        let sum = self.sum(&content);
        content.extend_from_slice(&sum);
        content
    }

    /// Checks and removes the checksum.
    pub(crate) fn unseal(
        &self,
        row: impl std::fmt::Display,
        mut bytes: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let Some(length) = bytes.len().checked_sub(SUM_BYTES) else {
            return Err(self.corrupt(row, format!("{} bytes hold no checksum", bytes.len())));
        };
        let stored = bytes.split_off(length);
        if stored == self.sum(&bytes) {
            Ok(bytes)
        } else {
            Err(self.corrupt(row, "the checksum does not match"))
        }
    }

    pub(crate) fn corrupt(
        &self,
        row: impl std::fmt::Display,
        reason: impl Into<String>,
    ) -> StoreError {
        StoreError::Corrupt { table: self.table, row: row.to_string(), reason: reason.into() }
    }
}

/// Builds the key of a [`Place`] out of fixed-length parts.
#[derive(Debug, Default)]
pub(crate) struct KeyBytes(Vec<u8>);

impl KeyBytes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn int(mut self, value: i64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn at(&self, table: &'static str) -> Place<'_> {
        Place { table, key: &self.0 }
    }
}

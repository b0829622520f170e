//! Last known addresses of other nodes: a cache, nothing is decided from it.

use alloy_primitives::B256;
use ande_primitives::NodeId;

use crate::{
    Store, StoreError,
    sql::{self, RowReader},
};

const TABLE: &str = "peers";
const MAX_ADDRESS_BYTES: usize = 512;
/// Peers kept; the ones heard of longest ago give way.
const MAX_PEERS: i64 = 1024;

impl Store {
    /// Notes the address of a node.
    ///
    /// # Errors
    /// The address is too long; the database cannot be written.
    pub async fn put_peer(
        &self,
        node: NodeId,
        address: impl Into<String> + Send,
    ) -> Result<(), StoreError> {
        let address = address.into();
        if address.len() > MAX_ADDRESS_BYTES {
            return Err(StoreError::TooLarge {
                what: "a peer address",
                size: address.len() as u64,
                limit: MAX_ADDRESS_BYTES as u64,
            });
        }
        let failed = || StoreError::sql("store a peer");
        let mut tx = self.inner.writer.begin().await.map_err(failed())?;
        sqlx::query(
            "INSERT OR REPLACE INTO peers (node_id, address, updated_at_ms) VALUES (?, ?, ?)",
        )
        .bind(node.0.to_vec())
        .bind(address)
        .bind(sql::now_ms())
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
        sqlx::query(
            "DELETE FROM peers WHERE node_id IN
             (SELECT node_id FROM peers ORDER BY updated_at_ms DESC LIMIT -1 OFFSET ?)",
        )
        .bind(MAX_PEERS)
        .execute(&mut *tx)
        .await
        .map_err(failed())?;
        tx.commit().await.map_err(failed())
    }

    /// All known addresses.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    pub async fn peers(&self) -> Result<Vec<(NodeId, String)>, StoreError> {
        let rows = sqlx::query("SELECT node_id, address FROM peers ORDER BY node_id")
            .fetch_all(&self.inner.readers)
            .await
            .map_err(StoreError::sql("read peers"))?;
        rows.iter()
            .map(|row| {
                let row = RowReader { table: TABLE, row };
                let node: B256 = row.hash("node_id")?;
                Ok((NodeId(node), row.text("address")?))
            })
            .collect()
    }
}

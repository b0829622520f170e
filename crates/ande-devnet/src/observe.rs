//! What a node says of itself on `/status`.

use std::time::Duration;

use eyre::Result;
use serde_json::Value;

const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// One answer of `/status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    status: Value,
}

impl Observation {
    /// Asks the node whose operator endpoint is `ops_url`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn fetch(http: &reqwest::Client, ops_url: &str) -> Result<Self> {
        let response = http.get(format!("{ops_url}/status")).timeout(ANSWER_LIMIT).send().await?;
        Ok(Self { status: response.error_for_status()?.json().await? })
    }

    /// A count by its path, for example `/chain/latest`.
    #[must_use]
    pub fn count(&self, path: &str) -> Option<u64> {
        self.status.pointer(path).and_then(Value::as_u64)
    }

    /// Height of the latest certified block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.count("/chain/latest").unwrap_or(0)
    }

    /// Contract id of the proposer, none while unknown.
    #[must_use]
    pub fn proposer(&self) -> Option<u64> {
        self.count("/leader/leader_id")
    }

    /// Proposers passed over in the window.
    #[must_use]
    pub fn skip(&self) -> Option<u64> {
        self.count("/consensus/skip")
    }

    /// Window of the height being decided.
    #[must_use]
    pub fn window(&self) -> Option<u64> {
        self.count("/consensus/window")
    }

    /// Epoch of the height being decided.
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.count("/consensus/epoch")
    }

    /// Peers with an open consensus connection.
    #[must_use]
    pub fn peers(&self) -> u64 {
        self.count("/consensus/peers").unwrap_or(0)
    }

    /// Transactions that wait for a block.
    #[must_use]
    pub fn pooled(&self) -> u64 {
        self.count("/queue/depth").unwrap_or(0)
    }

    /// What the engine is doing: `idle`, `deciding` and so on.
    #[must_use]
    pub fn phase(&self) -> &str {
        self.status.pointer("/consensus/phase").and_then(Value::as_str).unwrap_or("unknown")
    }

    /// How the external execution client is doing: `up`, `down` and so on; none without one.
    #[must_use]
    pub fn execution_client(&self) -> Option<&str> {
        self.status.pointer("/execution_client/health").and_then(Value::as_str)
    }

    /// Why the chain does not go on here, if it does not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match self.phase() {
            "halted" => {
                let reason = self.status.pointer("/consensus/halted").and_then(Value::as_str);
                Some(format!("halted: {}", reason.unwrap_or("no reason given")))
            }
            "waiting_for_set" => Some("waits until the next validator set is final".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn status_is_read() {
        let status = json!({
            "chain": {"latest": 42},
            "leader": {"leader_id": 3},
            "consensus": {"phase": "halted", "halted": "disk", "peers": 3, "skip": 1, "window": 4},
            "queue": {"depth": 7},
            "execution_client": {"health": "up"},
        });
        let seen = Observation { status };
        assert_eq!((seen.height(), seen.peers(), seen.pooled()), (42, 3, 7));
        assert_eq!((seen.proposer(), seen.skip(), seen.window()), (Some(3), Some(1), Some(4)));
        assert_eq!(seen.execution_client(), Some("up"));
        assert_eq!(seen.trouble().as_deref(), Some("halted: disk"));
        assert_eq!(Observation::default().trouble(), None);
        assert_eq!(Observation::default().proposer(), None);
    }
}

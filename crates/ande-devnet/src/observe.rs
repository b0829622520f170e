//! What the metrics endpoint of a node says about it.

use std::{collections::HashMap, time::Duration};

use eyre::Result;

const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Values of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    values: HashMap<String, f64>,
}

impl Observation {
    /// Scrapes the metrics of the node whose operator endpoint is `ops_url`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn fetch(http: &reqwest::Client, ops_url: &str) -> Result<Self> {
        let response = http.get(format!("{ops_url}/metrics")).timeout(ANSWER_LIMIT).send().await?;
        Ok(Self::parse(&response.error_for_status()?.text().await?))
    }

    /// Reads the text format; labels stay part of the name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let values = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect();
        Self { values }
    }

    /// A value by its name with labels as exported; none when it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// A count or height; 0 when it is absent.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.get(name).map_or(0, |value| value as u64)
    }

    /// Height of the latest certified block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.count("ande_chain_block_height")
    }

    /// Contract id of the proposer, none while unknown.
    #[must_use]
    pub fn proposer(&self) -> Option<u64> {
        Some(self.count("ande_consensus_current_proposer")).filter(|id| *id > 0)
    }

    /// Peers with an open consensus connection.
    #[must_use]
    pub fn peers(&self) -> u64 {
        self.count("ande_p2p_peers_count")
    }

    /// Why the chain does not go on here, if it does not.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        [
            ("ande_consensus_halted", "halted"),
            ("ande_consensus_waiting_for_set", "waits for the next validator set"),
        ]
        .into_iter()
        .find(|(name, _)| self.count(name) == 1)
        .map(|(_, why)| why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_format_is_read() {
        let observed = Observation::parse(
            "# HELP ande_chain_block_height h\n# TYPE ande_chain_block_height gauge\n\
             ande_chain_block_height 42\nande_p2p_peers_count 3\n\
             ande_chain_head_height{head=\"safe\"} 40\nande_consensus_halted 1\n",
        );
        assert_eq!((observed.height(), observed.peers()), (42, 3));
        assert_eq!(observed.count("ande_chain_head_height{head=\"safe\"}"), 40);
        assert_eq!(observed.trouble(), Some("halted"));
        assert_eq!(observed.proposer(), None);
    }
}

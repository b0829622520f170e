//! Checks of the deployment on the settlement chain before the node takes part.

use std::time::Duration;

use alloy::eips::BlockNumberOrTag;
use alloy_primitives::B256;
use ande_l1::{DeploymentError, Finality, L1Error, L1Reader, Timing, check_timing};
use ande_store::Store;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{config::NodeConfig, error::NodeError};

/// Pause between attempts while the settlement chain cannot be reached.
const RETRY: Duration = Duration::from_secs(2);
/// Attempts of a node that already has validator sets: it goes on from them without the chain.
const ATTEMPTS_WITH_SETS: u32 = 2;
/// Blocks over which the settlement chain's block time is measured.
const SAMPLE: u64 = 8;

/// Refuses a wrong settlement chain, wrong contracts, and times that would stop the chain at every
/// epoch. While the chain is unreachable a fresh node waits for it; one that has validator sets of
/// this deployment goes on with them.
///
/// # Errors
/// What is wrong with the deployment.
pub(crate) async fn verify(
    reader: &L1Reader,
    config: &NodeConfig,
    store: &Store,
    genesis_hash: B256,
    stop: &CancellationToken,
) -> Result<(), NodeError> {
    let has_sets = store.last_set().await?.is_some();
    let mut attempt = 0u32;
    loop {
        attempt = attempt.saturating_add(1);
        match verify_once(reader, config, genesis_hash).await {
            Ok(()) => return Ok(()),
            Err(NodeError::Deployment(DeploymentError::L1(error))) if error.is_transient() => {
                warn!(attempt, %error, "the settlement chain cannot be reached");
                if has_sets && attempt >= ATTEMPTS_WITH_SETS {
                    warn!("going on with the stored validator sets; the chain will be read later");
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

/// The checks once.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) async fn verify_once(
    reader: &L1Reader,
    config: &NodeConfig,
    genesis_hash: B256,
) -> Result<(), NodeError> {
    let contract = reader.check_deployment(config.l2_chain_id, genesis_hash).await?;
    let timing = measure(reader, config).await.map_err(DeploymentError::L1)?;
    check_timing(&contract.rules, &timing)?;
    info!(
        consensus = %config.consensus,
        coordinator = %config.coordinator,
        epoch_blocks = contract.rules.epoch_length(),
        l1_block_ms = timing.l1_block_time.as_millis() as u64,
        l1_final_depth = timing.l1_final_depth,
        "deployment checked"
    );
    Ok(())
}

/// The settlement chain's block time and finality depth, as they are now.
async fn measure(reader: &L1Reader, config: &NodeConfig) -> Result<Timing, L1Error> {
    let client = reader.client().by_majority();
    let latest = client.block(BlockNumberOrTag::Latest).await?;
    let latest = latest.ok_or_else(|| L1Error::UnknownBlock("latest".to_owned()))?.number;
    let mut times = Vec::new();
    for number in latest.saturating_sub(SAMPLE)..=latest {
        let block = client.block(number.into()).await?;
        times.push(block.ok_or_else(|| L1Error::UnknownBlock(number.to_string()))?.timestamp);
    }
    let final_depth = match config.finality {
        Finality::Depth(depth) => depth,
        Finality::Finalized | Finality::Safe => {
            let tag = match config.finality {
                Finality::Safe => BlockNumberOrTag::Safe,
                _ => BlockNumberOrTag::Finalized,
            };
            client.block(tag).await?.map_or(0, |block| latest.saturating_sub(block.number))
        }
    };
    Ok(Timing {
        block_time: config.block_time,
        batch_interval: config.batch_interval,
        l1_block_time: median_gap(&times),
        l1_final_depth: final_depth,
        poll_interval: config.l1_poll_interval,
    })
}

/// The usual time between blocks: an outage or a pause of the chain must not count.
fn median_gap(times: &[u64]) -> Duration {
    let mut gaps: Vec<u64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    gaps.sort_unstable();
    Duration::from_secs(gaps.get(gaps.len() / 2).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_does_not_count_as_block_time() {
        assert_eq!(median_gap(&[10, 11, 12, 400, 401, 402, 403]), Duration::from_secs(1));
        assert_eq!(median_gap(&[5]), Duration::ZERO);
    }
}

//! Frozen validator sets, read by epoch number at one block.

use alloy::{eips::BlockId, primitives::Address};
use ande_contracts::{AndeConsensus, committee, quorum_fraction};
use ande_primitives::{Epoch, EpochSet, Era};

use crate::{L1Block, L1Client, L1Error};

/// Reads the set of an epoch at `block`, which must be final. Every value is read at the same block
/// by hash, so an endpoint that is behind or on a fork refuses instead of mixing two states.
///
/// # Errors
/// When the chain cannot be asked, the epoch is not frozen there, or the values are no set.
pub async fn read_set(
    client: &L1Client,
    consensus: Address,
    epoch: Epoch,
    block: &L1Block,
) -> Result<EpochSet, L1Error> {
    let at = BlockId::hash(block.hash);
    let set_id = client.call(consensus, &AndeConsensus::setIdOfCall { epoch: epoch.0 }, at).await?;
    let members =
        client.call(consensus, &AndeConsensus::getValidatorSetCall { epoch: epoch.0 }, at).await?;
    let seed = client.call(consensus, &AndeConsensus::seedOfCall { epoch: epoch.0 }, at).await?;
    let context =
        client.call(consensus, &AndeConsensus::quorumContextCall { epoch: epoch.0 }, at).await?;
    let config = client.call(consensus, &AndeConsensus::configCall {}, at).await?;
    let committee = committee(&members)?;
    if context.totalWeight != committee.total_weight() {
        return Err(L1Error::WrongAnswer {
            address: consensus,
            call: "quorumContext(uint64)",
            reason: format!(
                "total weight {} is not the sum of the members, {}",
                context.totalWeight,
                committee.total_weight()
            ),
        });
    }
    Ok(EpochSet {
        era: Era(context.era),
        epoch,
        set_id,
        seed,
        rules: ande_contracts::schedule_rules(&config)?,
        quorum: quorum_fraction(context.quorumNum, context.quorumDen)?,
        committee,
        l1_block: block.number,
    })
}

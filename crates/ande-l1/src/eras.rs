//! Where eras begin, read from the events that begin them.

use std::collections::BTreeMap;

use alloy::{primitives::Address, rpc::types::Filter, sol_types::SolEvent as _};
use ande_contracts::{AndeConsensus, AndeSequencerCoordinator as Coordinator};
use ande_primitives::{Era, Height};
use ande_store::EraStart;

use crate::{L1Block, L1Client, L1Error};

/// Most blocks asked for in one query; fewer when an endpoint refuses.
const MAX_RANGE: u64 = 5_000;

/// The beginnings of the eras after `known` up to `now`, which is the era at `block`. A halt and an
/// escape batch begin an era; both events name the last height that a certified batch has.
///
/// # Errors
/// The chain cannot be asked, or has no event of one of them.
pub(crate) async fn read_eras(
    client: &L1Client,
    [consensus, coordinator]: [Address; 2],
    known: Era,
    now: Era,
    block: &L1Block,
) -> Result<Vec<EraStart>, L1Error> {
    let wanted = now.0.saturating_sub(known.0) as usize;
    let mut found = BTreeMap::new();
    let (mut end, mut width) = (block.number, MAX_RANGE);
    // The last ones are the nearest.
    while found.len() < wanted {
        let start = end.saturating_sub(width - 1);
        let filter = Filter::new()
            .address(vec![consensus, coordinator])
            .event_signature(vec![
                AndeConsensus::Halted::SIGNATURE_HASH,
                Coordinator::EscapeBatch::SIGNATURE_HASH,
            ])
            .from_block(start)
            .to_block(end);
        let logs = match client.logs(&filter).await {
            Ok(logs) => logs,
            Err(L1Error::Rpc { .. }) if width > 1 => {
                width = (width / 4).max(1);
                continue;
            }
            Err(error) => return Err(error),
        };
        for log in logs {
            let begun = if log.address() == consensus {
                AndeConsensus::Halted::decode_log(&log.inner)
                    .ok()
                    .map(|event| (event.newEra, event.lastHeight, 0))
            } else {
                Coordinator::EscapeBatch::decode_log(&log.inner).ok().map(|event| {
                    (event.header.era, event.header.endHeight, event.header.forcedUpTo)
                })
            };
            let (Some((era, last, forced_up_to)), Some(l1_block)) = (begun, log.block_number)
            else {
                continue;
            };
            if era > known.0 && era <= now.0 {
                let (era, first) = (Era(era), Height(last).next());
                found.insert(era, EraStart { era, first, forced_up_to, l1_block });
            }
        }
        if start == 0 {
            break;
        }
        end = start - 1;
    }
    if found.len() < wanted {
        return Err(L1Error::WrongAnswer {
            address: consensus,
            call: "era()",
            reason: format!("era {now}, but there are {} events after era {known}", found.len()),
        });
    }
    Ok(found.into_values().collect())
}

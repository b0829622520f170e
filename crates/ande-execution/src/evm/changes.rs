//! What a block changed, from revm's bookkeeping to the state's.

use alloy_trie::KECCAK_EMPTY;
use revm::database::BundleState;

use crate::state::{Account, AccountChange, BlockChanges};

/// Every account and slot whose value after the block is another than before it.
pub(crate) fn block_changes(bundle: BundleState) -> BlockChanges {
    let mut changes = BlockChanges::default();
    for (address, account) in bundle.state {
        let before = account.original_info.as_ref().map(Account::from);
        let after = account.info.as_ref().map(Account::from);
        let wiped = account.status.was_destroyed() && before.is_some();
        let slots = account
            .storage
            .iter()
            .filter(
                |(_, slot)| {
                    if wiped { !slot.present_value.is_zero() } else { slot.is_changed() }
                },
            )
            .map(|(slot, value)| (*slot, value.present_value))
            .collect::<std::collections::BTreeMap<_, _>>();
        if before == after && slots.is_empty() && !wiped {
            continue;
        }
        if let Some(after) = after
            && after.code_hash != KECCAK_EMPTY
            && before.is_none_or(|before| before.code_hash != after.code_hash)
            && let Some(code) = bundle
                .contracts
                .get(&after.code_hash)
                .or_else(|| account.info.as_ref().and_then(|info| info.code.as_ref()))
        {
            changes.codes.insert(after.code_hash, code.original_bytes());
        }
        changes.accounts.insert(address, AccountChange { account: after, wiped, slots });
    }
    changes
}

impl From<&revm::state::AccountInfo> for Account {
    fn from(info: &revm::state::AccountInfo) -> Self {
        Self { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash }
    }
}

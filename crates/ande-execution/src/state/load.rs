//! The state in memory out of the tables.

use alloy_primitives::B256;

use super::{
    BlockMeta, Damage, StateError,
    codec::{Table, get_account, get_slot},
    disk::DiskView,
    trie::Trie,
    world::{AccountLeaf, Slot, World},
};

/// Reads all accounts and slots and compares their root with the newest durable block's.
pub(super) fn load(view: &DiskView<'_>, head: &BlockMeta) -> Result<World, StateError> {
    let mut world = World::default();
    let mut slots = view.entries(Table::Storage).map(|entry| slot(entry?)).peekable();
    for entry in view.entries(Table::Accounts) {
        let (key, value) = entry?;
        let account = Table::Accounts.read(&key, &value, get_account)?;
        let (Ok(hashed), Some(account)) = (B256::try_from(key.as_slice()), account) else {
            return Err(Table::Accounts.damage(&key, "it is no account").into());
        };
        let mut storage = Trie::default();
        // Both tables are in key order; a slot of an account that is not there comes too early.
        while let Some(next) =
            slots.next_if(|next| next.as_ref().map_or(true, |slot| slot.account <= hashed))
        {
            let SlotEntry { account, slot, value } = next?;
            if account < hashed {
                return Err(orphan(&account, &slot));
            }
            storage.insert(slot, value);
        }
        world.load(hashed, AccountLeaf { account, storage });
    }
    if let Some(next) = slots.next() {
        let SlotEntry { account, slot, .. } = next?;
        return Err(orphan(&account, &slot));
    }
    let found = world.root_of_new();
    if found == head.state_root {
        Ok(world)
    } else {
        let (number, expected) = (head.number, head.state_root);
        Err(Damage::Root { number, expected, found }.into())
    }
}

struct SlotEntry {
    account: B256,
    slot: B256,
    value: Slot,
}

fn slot((key, value): (Vec<u8>, Vec<u8>)) -> Result<SlotEntry, StateError> {
    let content = Table::Storage.read(&key, &value, get_slot)?;
    let Some((account, slot)) = key.split_first_chunk::<32>() else {
        return Err(Table::Storage.damage(&key, "it is no slot").into());
    };
    match B256::try_from(slot) {
        Ok(slot) if !content.is_zero() => {
            Ok(SlotEntry { account: account.into(), slot, value: Slot(content) })
        }
        _ => Err(Table::Storage.damage(&key, "it is no slot").into()),
    }
}

fn orphan(account: &B256, slot: &B256) -> StateError {
    let key = super::codec::slot_key(account, slot);
    Table::Storage.damage(&key, "its account does not exist").into()
}

//! The state in memory out of the tables.

use std::{
    ops::Bound,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use alloy_primitives::B256;
use parking_lot::Mutex;

use super::{
    BlockMeta, Damage, StateError,
    codec::{Table, get_account, get_slot},
    disk::{Disk, DiskView},
    trie::{Trie, processors},
    world::{AccountLeaf, Slot, World},
};

/// Reads all accounts and slots and compares their root with the newest durable block's.
pub(super) fn load(disk: &Disk, head: &BlockMeta) -> Result<World, StateError> {
    let next = AtomicUsize::new(0);
    let parts = Mutex::new([const { None }; 16]);
    thread::scope(|scope| {
        for _ in 0..processors() {
            scope.spawn(|| {
                loop {
                    let nibble = next.fetch_add(1, Ordering::Relaxed);
                    if nibble >= 16 {
                        return;
                    }
                    let part = load_part(&disk.snapshot(), nibble as u8);
                    parts.lock()[nibble] = Some(part);
                }
            });
        }
    });
    let mut worlds = [const { None }; 16];
    for (world, part) in worlds.iter_mut().zip(parts.into_inner()) {
        *world = part.transpose()?;
    }
    let world = World::join(worlds.map(Option::unwrap_or_default));
    let found = world.root_in_parallel();
    if found == head.state_root {
        Ok(world)
    } else {
        let (number, expected) = (head.number, head.state_root);
        Err(Damage::Root { number, expected, found }.into())
    }
}

/// The accounts whose keys start with this nibble, and their slots.
fn load_part(view: &DiskView<'_>, nibble: u8) -> Result<World, StateError> {
    let start = match nibble {
        0 => Bound::Unbounded,
        _ => Bound::Included([nibble << 4]),
    };
    let end = match nibble {
        15 => Bound::Unbounded,
        _ => Bound::Excluded([(nibble + 1) << 4]),
    };
    let mut world = World::default();
    let slots = view.entries(Table::Storage, (start, end));
    let mut slots = slots.map(|entry| slot(entry?)).peekable();
    for entry in view.entries(Table::Accounts, (start, end)) {
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
    match slots.next().transpose()? {
        Some(SlotEntry { account, slot, .. }) => Err(orphan(&account, &slot)),
        None => Ok(world),
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

//! What is different after a block.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};

use super::{Account, BlockMeta, world::World};

/// One account before and after a block.
#[derive(Clone, Debug)]
pub(super) struct AccountDelta {
    pub(super) address: Address,
    /// Hash of the address.
    pub(super) key: B256,
    pub(super) before: Option<Account>,
    pub(super) after: Option<Account>,
    /// Changed slots in the order of their keys.
    pub(super) slots: Vec<SlotDelta>,
}

/// One slot before and after a block, zero for none.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotDelta {
    /// Hash of the slot.
    pub(super) key: B256,
    pub(super) before: U256,
    pub(super) after: U256,
}

/// The state after a candidate block. It becomes the head by
/// [`StateStore::apply`](super::StateStore::apply), or is dropped.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) base: BlockMeta,
    pub(super) world: World,
    pub(super) root: B256,
    pub(super) deltas: Vec<AccountDelta>,
    pub(super) codes: BTreeMap<B256, Bytes>,
}

impl Prepared {
    /// The root of the state after the block.
    #[must_use]
    pub const fn root(&self) -> B256 {
        self.root
    }

    /// The block this was prepared on.
    #[must_use]
    pub const fn base(&self) -> BlockMeta {
        self.base
    }

    /// The accounts that differ from the base.
    pub fn changed(&self) -> impl Iterator<Item = Address> {
        self.deltas.iter().map(|delta| delta.address)
    }
}

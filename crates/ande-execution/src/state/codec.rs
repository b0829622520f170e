//! What stands in the tables.
//!
//! Every value ends in a checksum over its table, its key and its content, so that a changed bit
//! and a value in the wrong place are noticed.

use alloy_primitives::{B256, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, Encodable, Header};

use super::{Account, BlockMeta, Damage, delta::AccountDelta};

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Hash of the address → account, at the newest durable block.
    Accounts,
    /// Hash of the address, hash of the slot → value.
    Storage,
    /// Hash → code. Never removed.
    Code,
    /// Hash of the address, block → the account before that block; empty if there was none.
    AccountHistory,
    /// Hash of the address, hash of the slot, block → the value before that block.
    StorageHistory,
    /// Block → the keys it changed, for pruning the histories.
    Changes,
    /// Block → its receipts, as the executor packed them.
    Receipts,
    /// Block → its hash, state root and time.
    Blocks,
    /// The newest durable block, the genesis, the format.
    Meta,
}

impl Table {
    pub(super) const ALL: [Self; 9] = [
        Self::Accounts,
        Self::Storage,
        Self::Code,
        Self::AccountHistory,
        Self::StorageHistory,
        Self::Changes,
        Self::Receipts,
        Self::Blocks,
        Self::Meta,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Storage => "storage",
            Self::Code => "code",
            Self::AccountHistory => "account_history",
            Self::StorageHistory => "storage_history",
            Self::Changes => "changes",
            Self::Receipts => "receipts",
            Self::Blocks => "blocks",
            Self::Meta => "meta",
        }
    }

    /// What is done when its entries are read in order.
    pub(super) const fn reading(self) -> &'static str {
        match self {
            Self::Accounts => "read the accounts",
            Self::Storage => "read the storage",
            Self::AccountHistory | Self::StorageHistory => "read a history",
            _ => "read a table",
        }
    }

    pub(super) fn damage(self, key: &[u8], reason: &'static str) -> Damage {
        Damage::Entry { table: self.name(), key: key.to_vec().into(), reason }
    }

    fn sum(self, key: &[u8], content: &[u8]) -> [u8; SUM_BYTES] {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.name().as_bytes());
        hasher.update(&[0]);
        hasher.update(key);
        hasher.update(content);
        hasher.finalize().to_be_bytes()
    }

    /// Appends the checksum.
    pub(super) fn seal(self, key: &[u8], mut content: Vec<u8>) -> Vec<u8> {
        let sum = self.sum(key, &content);
        content.extend_from_slice(&sum);
        content
    }

    /// The content, if its checksum is right.
    pub(super) fn unseal<'a>(self, key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Damage> {
        let Some((content, sum)) = value.split_last_chunk::<SUM_BYTES>() else {
            return Err(self.damage(key, "it is too short"));
        };
        if *sum == self.sum(key, content) {
            Ok(content)
        } else {
            Err(self.damage(key, "the checksum does not match"))
        }
    }

    /// Reads the content with one of the decoders of this module.
    pub(super) fn read<T>(
        self,
        key: &[u8],
        value: &[u8],
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, Damage> {
        decode(self.unseal(key, value)?).ok_or_else(|| self.damage(key, "it cannot be decoded"))
    }
}

const SUM_BYTES: usize = 4;

pub(super) fn put_account(account: Option<&Account>) -> Vec<u8> {
    let Some(account) = account else { return Vec::new() };
    let code: &[u8] = if account.has_code() { account.code_hash.as_slice() } else { &[] };
    let payload_length = account.nonce.length() + account.balance.length() + code.length();
    let mut out = Vec::with_capacity(payload_length + 8);
    Header { list: true, payload_length }.encode(&mut out);
    account.nonce.encode(&mut out);
    account.balance.encode(&mut out);
    code.encode(&mut out);
    out
}

/// The inner none: there was no account.
pub(super) fn get_account(content: &[u8]) -> Option<Option<Account>> {
    if content.is_empty() {
        return Some(None);
    }
    let mut content = content;
    let mut fields = Header::decode_bytes(&mut content, true).ok()?;
    let nonce = u64::decode(&mut fields).ok()?;
    let balance = U256::decode(&mut fields).ok()?;
    let code = Header::decode_bytes(&mut fields, false).ok()?;
    let code_hash = match code {
        [] => KECCAK256_EMPTY,
        code => B256::try_from(code).ok()?,
    };
    (content.is_empty() && fields.is_empty()).then_some(Some(Account { nonce, balance, code_hash }))
}

pub(super) fn put_slot(value: U256) -> Vec<u8> {
    value.to_be_bytes_trimmed_vec()
}

pub(super) fn get_slot(content: &[u8]) -> Option<U256> {
    (content.first() != Some(&0)).then(|| U256::try_from_be_slice(content)).flatten()
}

pub(super) fn put_block(meta: &BlockMeta) -> Vec<u8> {
    let mut out = Vec::with_capacity(84);
    out.extend_from_slice(&meta.number.to_be_bytes());
    out.extend_from_slice(meta.hash.as_slice());
    out.extend_from_slice(meta.state_root.as_slice());
    out.extend_from_slice(&meta.timestamp.to_be_bytes());
    out
}

pub(super) fn get_block(content: &[u8]) -> Option<BlockMeta> {
    let (number, rest) = content.split_first_chunk::<8>()?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let (state_root, rest) = rest.split_first_chunk::<32>()?;
    let timestamp = <[u8; 8]>::try_from(rest).ok()?;
    Some(BlockMeta {
        number: u64::from_be_bytes(*number),
        hash: hash.into(),
        state_root: state_root.into(),
        timestamp: u64::from_be_bytes(timestamp),
    })
}

pub(super) fn get_u64(content: &[u8]) -> Option<u64> {
    content.try_into().ok().map(u64::from_be_bytes)
}

/// The entries of the histories that a block wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ChangedKeys {
    pub(super) accounts: Vec<B256>,
    /// Account and slot.
    pub(super) slots: Vec<(B256, B256)>,
}

impl ChangedKeys {
    pub(super) fn of(deltas: &[AccountDelta]) -> Self {
        let accounts = deltas.iter().filter(|delta| delta.before != delta.after);
        let slots = deltas
            .iter()
            .flat_map(|delta| delta.slots.iter().map(move |slot| (delta.key, slot.key)));
        Self { accounts: accounts.map(|delta| delta.key).collect(), slots: slots.collect() }
    }

    pub(super) fn put(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + 32 * self.accounts.len() + 64 * self.slots.len());
        out.extend_from_slice(&(self.accounts.len() as u64).to_be_bytes());
        for account in &self.accounts {
            out.extend_from_slice(account.as_slice());
        }
        for (account, slot) in &self.slots {
            out.extend_from_slice(account.as_slice());
            out.extend_from_slice(slot.as_slice());
        }
        out
    }

    pub(super) fn get(content: &[u8]) -> Option<Self> {
        let (count, rest) = content.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_be_bytes(*count)).ok()?;
        let (accounts, slots) = rest.split_at_checked(count.checked_mul(32)?)?;
        let (accounts, none) = accounts.as_chunks::<32>();
        let (slots, left) = slots.as_chunks::<64>();
        let slots =
            slots.iter().map(|pair| (B256::from_slice(&pair[..32]), B256::from_slice(&pair[32..])));
        (none.is_empty() && left.is_empty()).then(|| Self {
            accounts: accounts.iter().map(B256::from).collect(),
            slots: slots.collect(),
        })
    }
}

/// Key of a slot.
pub(super) fn slot_key(account: &B256, slot: &B256) -> Vec<u8> {
    [account.as_slice(), slot.as_slice()].concat()
}

/// Key in a history.
pub(super) fn history_key(key: &[u8], number: u64) -> Vec<u8> {
    [key, &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account() -> impl Strategy<Value = Account> {
        let code = prop_oneof![Just(KECCAK256_EMPTY), any::<[u8; 32]>().prop_map(B256::from)];
        let balance = any::<[u8; 32]>().prop_map(|bytes| U256::from_be_bytes(bytes));
        let balance = (balance, 0_usize..256).prop_map(|(balance, shift)| balance >> shift);
        (any::<u64>(), balance, code).prop_map(|(nonce, balance, code_hash)| Account {
            nonce,
            balance,
            code_hash,
        })
    }

    proptest! {
        #[test]
        fn what_is_put_is_got(account in account(), number in any::<u64>(), time in any::<u64>()) {
            prop_assert_eq!(get_account(&put_account(Some(&account))), Some(Some(account)));
            prop_assert_eq!(get_slot(&put_slot(account.balance)), Some(account.balance));
            let (hash, state_root) = (account.code_hash, B256::from(account.balance));
            let meta = BlockMeta { number, hash, state_root, timestamp: time };
            prop_assert_eq!(get_block(&put_block(&meta)), Some(meta));
            let keys = ChangedKeys {
                accounts: vec![hash; (number % 5) as usize],
                slots: vec![(hash, state_root); (time % 5) as usize],
            };
            prop_assert_eq!(ChangedKeys::get(&keys.put()), Some(keys));
        }

        #[test]
        fn no_content_is_got_from_two_encodings(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            // Whatever decodes is what would have been put.
            if let Some(account) = get_account(&bytes) {
                prop_assert_eq!(put_account(account.as_ref()), bytes.clone());
            }
            if let Some(slot) = get_slot(&bytes) {
                prop_assert_eq!(put_slot(slot), bytes.clone());
            }
            if let Some(meta) = get_block(&bytes) {
                prop_assert_eq!(put_block(&meta), bytes.clone());
            }
            if let Some(keys) = ChangedKeys::get(&bytes) {
                prop_assert_eq!(keys.put(), bytes.clone());
            }
            prop_assert!(get_u64(&bytes).is_none_or(|_| bytes.len() == 8));
            // Checksums belong to their place.
            let sealed = Table::Accounts.seal(b"key", bytes.clone());
            prop_assert_eq!(Table::Accounts.unseal(b"key", &sealed), Ok(bytes.as_slice()));
            prop_assert!(Table::Accounts.unseal(b"kez", &sealed).is_err());
            prop_assert!(Table::Storage.unseal(b"key", &sealed).is_err());
        }

        #[test]
        fn a_changed_account_does_not_decode_to_itself(account in account(), bit in 0_usize..600) {
            let mut bytes = put_account(Some(&account));
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(get_account(&bytes), Some(Some(account)));
        }
    }
}

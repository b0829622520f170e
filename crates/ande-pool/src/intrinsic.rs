//! Gas that a transaction costs before anything runs (Cancun).

use alloy_consensus::Transaction;

use crate::PoolError;

const TRANSACTION: u64 = 21_000;
const CREATE: u64 = 32_000;
const ZERO_BYTE: u64 = 4;
const NON_ZERO_BYTE: u64 = 16;
const ACCESS_LIST_ADDRESS: u64 = 2_400;
const ACCESS_LIST_KEY: u64 = 1_900;
const INIT_CODE_WORD: u64 = 2;
/// EIP-3860.
const MAX_INIT_CODE_BYTES: usize = 49_152;

/// Intrinsic gas. The size limit of transactions keeps every sum far below 64 bits.
pub(crate) fn intrinsic_gas(tx: &impl Transaction) -> Result<u64, PoolError> {
    let input = tx.input();
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let mut gas = TRANSACTION + zeros * ZERO_BYTE + (input.len() as u64 - zeros) * NON_ZERO_BYTE;
    if tx.is_create() {
        if input.len() > MAX_INIT_CODE_BYTES {
            return Err(PoolError::InitCodeSize { size: input.len(), limit: MAX_INIT_CODE_BYTES });
        }
        gas += CREATE + INIT_CODE_WORD * (input.len() as u64).div_ceil(32);
    }
    if let Some(list) = tx.access_list() {
        let keys: usize = list.iter().map(|item| item.storage_keys.len()).sum();
        gas += list.len() as u64 * ACCESS_LIST_ADDRESS + keys as u64 * ACCESS_LIST_KEY;
    }
    Ok(gas)
}

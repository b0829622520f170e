//! Genesis of a local chain: a geth-format file that the nodes and other Ethereum clients read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::{
    eips::eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
    primitives::{Address, B256, keccak256, utils::parse_ether},
    signers::local::PrivateKeySigner,
};
use ande_execution::{EvmGenesis, NoneGenesis};
use clap::ValueEnum;
use eyre::{Result, WrapErr as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Name of the file below the directory of the network.
pub(crate) const GENESIS_FILE: &str = "genesis.json";
/// Room for some 47,000 transfers a block.
const GAS_LIMIT: u64 = 1_000_000_000;
const BASE_FEE_WEI: u64 = 1_000_000_000;
/// Ether of every account that the genesis funds.
const ACCOUNT_ETHER: &str = "10000";
/// Address of the first account that is only there to be many.
const FIRST_OTHER: u64 = 0xacc0_0000_0000;
/// Accounts for tools and load.
pub const FUNDED_ACCOUNTS: usize = 1024;

/// What the nodes execute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// The embedded EVM.
    Evm,
    /// Order without execution.
    None,
}

impl Executor {
    /// Its name in configuration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evm => "evm",
            Self::None => "none",
        }
    }
}

/// Key of a funded account. Everybody knows it: for local chains only.
///
/// # Errors
/// Never for the accounts of a genesis.
pub fn account_key(index: usize) -> Result<PrivateKeySigner> {
    let secret = keccak256(format!("ande devnet account {index}"));
    Ok(PrivateKeySigner::from_bytes(&secret)?)
}

/// The genesis file of a local chain in `dir`.
#[must_use]
pub fn genesis_file(dir: &Path) -> PathBuf {
    dir.join(GENESIS_FILE)
}

/// Hash of block 0 of the genesis file in `dir`, if there is one.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn genesis_hash(dir: &Path) -> Result<Option<B256>> {
    let path = genesis_file(dir);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path)?;
    let genesis = EvmGenesis::from_json(&text).wrap_err_with(|| path.display().to_string())?;
    Ok(Some(genesis.hash()))
}

/// Writes the genesis file if the executor needs one and returns the hash of block 0. Beside the
/// accounts with keys it funds `others` that nobody has a key of.
///
/// # Errors
/// When the file cannot be written.
pub fn write_genesis(
    dir: &Path,
    executor: Executor,
    l2_chain_id: u64,
    others: usize,
) -> Result<B256> {
    match executor {
        Executor::None => Ok(NoneGenesis::new(l2_chain_id).hash()),
        Executor::Evm => {
            let text = serde_json::to_string_pretty(&genesis(l2_chain_id, others)?)?;
            let genesis = EvmGenesis::from_json(&text).wrap_err("genesis of the local chain")?;
            fs::write(genesis_file(dir), text)?;
            Ok(genesis.hash())
        }
    }
}

fn genesis(l2_chain_id: u64, others: usize) -> Result<Value> {
    let balance = format!("{:#x}", parse_ether(ACCOUNT_ETHER)?);
    let mut alloc = Map::new();
    for index in 0..FUNDED_ACCOUNTS {
        let address: Address = account_key(index)?.address();
        alloc.insert(address.to_string(), json!({ "balance": balance }));
    }
    for index in 0..others as u64 {
        let address = Address::left_padding_from(&(FIRST_OTHER + index).to_be_bytes());
        alloc.insert(address.to_string(), json!({ "balance": "0x1" }));
    }
    alloc.insert(
        BEACON_ROOTS_ADDRESS.to_string(),
        json!({ "balance": "0x0", "nonce": "0x1", "code": BEACON_ROOTS_CODE.to_string() }),
    );
    Ok(json!({
        "config": {
            "chainId": l2_chain_id,
            "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
            "istanbulBlock": 0, "muirGlacierBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "arrowGlacierBlock": 0, "grayGlacierBlock": 0, "mergeNetsplitBlock": 0,
            "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true,
            "shanghaiTime": 0, "cancunTime": 0,
            // Asked for by other clients.
            "depositContractAddress": Address::ZERO,
            "blobSchedule": {
                "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477 },
            },
        },
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": "0x",
        "gasLimit": format!("{GAS_LIMIT:#x}"),
        "baseFeePerGas": format!("{BASE_FEE_WEI:#x}"),
        "difficulty": "0x0",
        "mixHash": B256::ZERO,
        "coinbase": Address::ZERO,
        "alloc": alloc,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_genesis_whose_hash_is_registered() {
        let dir = tempfile::tempdir().unwrap();
        let hash = write_genesis(dir.path(), Executor::Evm, 6174, 0).unwrap();
        let text = fs::read_to_string(genesis_file(dir.path())).unwrap();
        assert_eq!(EvmGenesis::from_json(&text).unwrap().hash(), hash);
        assert_ne!(write_genesis(dir.path(), Executor::None, 6174, 0).unwrap(), hash);
        assert_ne!(write_genesis(dir.path(), Executor::Evm, 6174, 1).unwrap(), hash);
    }
}

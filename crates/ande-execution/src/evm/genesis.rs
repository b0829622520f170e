//! The first block, from a genesis file in geth's format.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_genesis::{ChainConfig, Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, U256};
use alloy_trie::{KECCAK_EMPTY, TrieAccount};

use crate::{
    Payload,
    header::blank_header,
    state::{Account, AccountChange, BlockChanges, BlockMeta},
};

/// Longest genesis file that is read.
pub const MAX_GENESIS_BYTES: usize = 256 << 20;

/// Base fee of the first block when the file names none, as in geth.
const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// Bounds of the gas limit, as in geth.
const GAS_LIMITS: std::ops::RangeInclusive<u64> = 5_000..=i64::MAX as u64;

/// Longest code of an account, by EIP-170.
const MAX_CODE_BYTES: usize = 24_576;

/// Why a genesis file is no genesis of this kind of chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Too long to read.
    #[error("the genesis has {0} bytes, allowed are {MAX_GENESIS_BYTES}")]
    TooLong(usize),
    /// No JSON of the right shape.
    #[error("the genesis is no geth genesis: {0}")]
    Json(String),
    /// No chain id, or zero.
    #[error("config.chainId is missing or zero")]
    ChainId,
    /// A fork that must be active from the first block is not.
    #[error("config.{0} must be 0: the chain is a Cancun chain from its first block")]
    ForkMissing(&'static str),
    /// A fork that this executor does not know.
    #[error("config.{0} is set: the chain has no fork after Cancun")]
    ForkUnknown(&'static str),
    /// A field of the header with a value that it cannot have.
    #[error("{field}: {problem}")]
    Field {
        /// Name in the file.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// An account that cannot exist.
    #[error("alloc.{address}: {problem}")]
    Account {
        /// Whose.
        address: Address,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A checked genesis: chain id, first header, first state.
#[derive(Clone, PartialEq, Eq)]
pub struct EvmGenesis {
    chain_id: u64,
    header: Header,
    state: BTreeMap<Address, (TrieAccount, GenesisAccount)>,
}

impl std::fmt::Debug for EvmGenesis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvmGenesis")
            .field("chain_id", &self.chain_id)
            .field("hash", &self.hash())
            .field("accounts", &self.state.len())
            .finish()
    }
}

impl EvmGenesis {
    /// Reads a genesis file in geth's format. All forks up to Cancun have to be active from the
    /// first block and none after it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_json(json: &str) -> Result<Self, GenesisError> {
        if json.len() > MAX_GENESIS_BYTES {
            return Err(GenesisError::TooLong(json.len()));
        }
        let fail = |error: serde_json::Error| GenesisError::Json(error.to_string());
        // The reader of the whole file takes a missing chain id for Ethereum's own.
        let top: BTreeMap<String, Box<serde_json::value::RawValue>> =
            serde_json::from_str(json).map_err(fail)?;
        let config = top.get("config").map_or("{}", |raw| raw.get());
        let config: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(config).map_err(fail)?;
        if !config.contains_key("chainId") {
            return Err(GenesisError::ChainId);
        }
        drop((top, config));
        Self::new(serde_json::from_str(json).map_err(fail)?)
    }

    fn new(genesis: Genesis) -> Result<Self, GenesisError> {
        check_forks(&genesis.config)?;
        let base_fee = check_header(&genesis)?;
        let mut total = U256::ZERO;
        let mut state = BTreeMap::new();
        for (address, account) in genesis.alloc {
            let fail = |problem| GenesisError::Account { address, problem };
            if let Some(code) = &account.code {
                if code.len() > MAX_CODE_BYTES {
                    return Err(fail("the code is longer than 24576 bytes"));
                }
                if code.first() == Some(&0xef) {
                    return Err(fail("code cannot begin with 0xef"));
                }
            }
            total = total
                .checked_add(account.balance)
                .ok_or_else(|| fail("all balances together exceed 2^256"))?;
            state.insert(address, (TrieAccount::from(account.clone()), account));
        }
        let state_root = alloy_trie::root::state_root_unhashed(
            state.iter().map(|(address, (account, _))| (*address, *account)),
        );
        let header = Header {
            beneficiary: genesis.coinbase,
            state_root,
            gas_limit: genesis.gas_limit,
            timestamp: genesis.timestamp,
            extra_data: genesis.extra_data,
            mix_hash: genesis.mix_hash,
            base_fee_per_gas: Some(base_fee),
            ..blank_header()
        };
        Ok(Self { chain_id: genesis.config.chain_id, header, state })
    }

    /// Chain id of the L2.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Gas limit of every block.
    #[must_use]
    pub const fn gas_limit(&self) -> u64 {
        self.header.gas_limit
    }

    /// Header of block 0.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Hash of block 0: what the settlement contract calls the L2 genesis hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.header.hash_slow()
    }

    /// Block 0.
    #[must_use]
    pub fn payload(&self) -> Payload {
        Payload::new(&self.header, Vec::new())
    }

    pub(crate) fn meta(&self) -> BlockMeta {
        BlockMeta::of(&self.header)
    }

    /// The first state as changes to an empty one.
    pub(crate) fn changes(&self) -> BlockChanges {
        let mut changes = BlockChanges::default();
        for (address, (account, given)) in &self.state {
            if account.code_hash != KECCAK_EMPTY {
                changes.codes.insert(account.code_hash, given.code.clone().unwrap_or_default());
            }
            let slots = given
                .storage_slots()
                .filter(|(_, value)| !value.is_zero())
                .map(|(slot, value)| (U256::from_be_bytes(slot.0), value))
                .collect();
            let account = Account {
                nonce: account.nonce,
                balance: account.balance,
                code_hash: account.code_hash,
            };
            changes
                .accounts
                .insert(*address, AccountChange { account: Some(account), wiped: false, slots });
        }
        changes
    }
}

fn check_forks(config: &ChainConfig) -> Result<(), GenesisError> {
    if config.chain_id == 0 {
        return Err(GenesisError::ChainId);
    }
    let needed = [
        ("homesteadBlock", config.homestead_block),
        ("eip150Block", config.eip150_block),
        ("eip155Block", config.eip155_block),
        ("eip158Block", config.eip158_block),
        ("byzantiumBlock", config.byzantium_block),
        ("constantinopleBlock", config.constantinople_block),
        ("petersburgBlock", config.petersburg_block),
        ("istanbulBlock", config.istanbul_block),
        ("berlinBlock", config.berlin_block),
        ("londonBlock", config.london_block),
        ("shanghaiTime", config.shanghai_time),
        ("cancunTime", config.cancun_time),
    ];
    if let Some((name, _)) = needed.iter().find(|(_, at)| *at != Some(0)) {
        return Err(GenesisError::ForkMissing(name));
    }
    // Without meaning on a chain that starts after the merge, but not from another block than 0.
    let optional = [
        ("muirGlacierBlock", config.muir_glacier_block),
        ("arrowGlacierBlock", config.arrow_glacier_block),
        ("grayGlacierBlock", config.gray_glacier_block),
        ("mergeNetsplitBlock", config.merge_netsplit_block),
    ];
    if let Some((name, _)) = optional.iter().find(|(_, at)| at.is_some_and(|at| at != 0)) {
        return Err(GenesisError::ForkMissing(name));
    }
    if config.terminal_total_difficulty != Some(U256::ZERO) {
        return Err(GenesisError::ForkMissing("terminalTotalDifficulty"));
    }
    let unknown = [
        ("daoForkBlock", config.dao_fork_block),
        ("pragueTime", config.prague_time),
        ("osakaTime", config.osaka_time),
        ("amsterdamTime", config.amsterdam_time),
        ("bogotaTime", config.bogota_time),
        ("bpo1Time", config.bpo1_time),
        ("bpo2Time", config.bpo2_time),
        ("bpo3Time", config.bpo3_time),
        ("bpo4Time", config.bpo4_time),
        ("bpo5Time", config.bpo5_time),
    ];
    match unknown.iter().find(|(_, at)| at.is_some()) {
        Some((name, _)) => Err(GenesisError::ForkUnknown(name)),
        None => Ok(()),
    }
}

/// Checks the fields of the first header and returns its base fee.
fn check_header(genesis: &Genesis) -> Result<u64, GenesisError> {
    let fail = |field, problem: &dyn std::fmt::Display| {
        Err(GenesisError::Field { field, problem: problem.to_string() })
    };
    if !GAS_LIMITS.contains(&genesis.gas_limit) {
        let (low, high) = (GAS_LIMITS.start(), GAS_LIMITS.end());
        return fail("gasLimit", &format!("{} is not in {low}..={high}", genesis.gas_limit));
    }
    if genesis.extra_data.len() > 32 {
        return fail("extraData", &"longer than 32 bytes");
    }
    if !genesis.difficulty.is_zero() {
        return fail("difficulty", &"must be 0 after the merge");
    }
    if genesis.nonce != 0 {
        return fail("nonce", &"must be 0 after the merge");
    }
    if genesis.number.is_some_and(|number| number != 0) {
        return fail("number", &"must be 0");
    }
    if genesis.parent_hash.is_some_and(|hash| !hash.is_zero()) {
        return fail("parentHash", &"must be zero");
    }
    if genesis.blob_gas_used.is_some_and(|gas| gas != 0) {
        return fail("blobGasUsed", &"must be 0: the chain has no blobs");
    }
    if genesis.excess_blob_gas.is_some_and(|gas| gas != 0) {
        return fail("excessBlobGas", &"must be 0: the chain has no blobs");
    }
    if genesis.slot_number.is_some() {
        return fail("slotNumber", &"unknown before Amsterdam");
    }
    match genesis.base_fee_per_gas.map(u64::try_from) {
        None => Ok(INITIAL_BASE_FEE),
        Some(Ok(fee)) => Ok(fee),
        Some(Err(_)) => fail("baseFeePerGas", &"does not fit in 64 bits"),
    }
}

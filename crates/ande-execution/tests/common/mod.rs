//! Chains, wallets and contracts of the tests of the embedded EVM.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations
)]

use std::{path::Path, sync::Arc};

use alloy_consensus::{
    EthereumTypedTransaction, Header, SignableTransaction as _, TxEip1559, TxEip2930, TxEnvelope,
    TxLegacy,
};
use alloy_eips::{
    eip2718::Encodable2718 as _,
    eip4788::{BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CODE},
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolValue as _};
use ande_execution::{
    Attributes, BlockReceipts, EmbeddedExecutor, EvmConfig, EvmGenesis, EvmReader, ExecHead,
    Executor as _, NoSenders, Payload, PayloadStatus, SenderSource,
};
use k256::ecdsa::SigningKey;

pub const CHAIN_ID: u64 = 6174;
pub const GAS_LIMIT: u64 = 30_000_000;
pub const GWEI: u128 = 1_000_000_000;
pub const FEE_RECIPIENT: Address = Address::repeat_byte(0xfe);

alloy_sol_types::sol! {
    function transfer(address to, uint256 value) returns (bool);
    function balanceOf(address owner) returns (uint256);
    function make(uint256 first) payable returns (address);
    function nested(uint256 value) returns (uint256);
    function makeAndKill(address heir) payable returns (address);
    function feed(uint256 gas_);
    function panics();
    function fail();
    function die(address heir);
    function set(uint256 next) returns (uint256);
    function value() returns (uint256);
    function last() returns (uint256);
    function fill(uint256 from, uint256 count, uint256 value);
    function forever();
    function look(uint256 number, uint256 time)
        returns (bytes32 hash, bytes32 root, uint256 fee, uint256 limit, uint256 chain, uint256 random);
    function ask(address precompile, bytes input) returns (bool ok, bytes out);
    function transient(uint256 value) returns (uint256 got);
}

/// Bytecode of the contracts in `tests/contracts/Probe.sol`, by solc 0.8.37 with
/// `evmVersion = cancun`, 200 optimizer runs and no metadata.
pub fn token_code(supply: U256) -> Bytes {
    with_argument(include_str!("../contracts/Token.hex"), supply)
}

pub fn child_code(first: U256) -> Bytes {
    with_argument(include_str!("../contracts/Child.hex"), first)
}

pub fn probe_code() -> Bytes {
    hex::decode(include_str!("../contracts/Probe.hex").trim()).unwrap().into()
}

fn with_argument(code: &str, argument: U256) -> Bytes {
    let mut code = hex::decode(code.trim()).unwrap();
    code.extend(argument.abi_encode());
    code.into()
}

pub struct Wallet {
    key: SigningKey,
    pub address: Address,
}

/// The wallet of a number. Those below [`FUNDED`] have ether in the genesis.
pub fn wallet(number: u64) -> Wallet {
    let seed = keccak256([b"wallet".as_slice(), &number.to_be_bytes()].concat());
    let key = SigningKey::from_slice(seed.as_slice()).unwrap();
    let address = Address::from_public_key(key.verifying_key());
    Wallet { key, address }
}

pub const FUNDED: u64 = 20;

impl Wallet {
    pub fn sign(
        &self,
        tx: impl Into<EthereumTypedTransaction<alloy_consensus::TxEip4844Variant>>,
    ) -> TxEnvelope {
        let tx = tx.into();
        let hash = tx.signature_hash();
        let (signature, recovery) = self.key.sign_prehash_recoverable(hash.as_slice()).unwrap();
        tx.into_envelope(Signature::from((signature, recovery)))
    }

    pub fn raw(
        &self,
        tx: impl Into<EthereumTypedTransaction<alloy_consensus::TxEip4844Variant>>,
    ) -> Bytes {
        self.sign(tx).encoded_2718().into()
    }

    pub fn transfer(&self, nonce: u64, to: Address, value: u64) -> Bytes {
        self.raw(TxEip1559 {
            gas_limit: 21_000,
            to: TxKind::Call(to),
            value: U256::from(value),
            ..tx(nonce)
        })
    }

    pub fn create(&self, nonce: u64, code: Bytes) -> Bytes {
        self.raw(TxEip1559 { gas_limit: 3_000_000, to: TxKind::Create, input: code, ..tx(nonce) })
    }

    pub fn call(&self, nonce: u64, to: Address, call: &impl SolCall) -> Bytes {
        self.call_with(nonce, to, call, 1_000_000, 0)
    }

    pub fn call_with(
        &self,
        nonce: u64,
        to: Address,
        call: &impl SolCall,
        gas_limit: u64,
        value: u64,
    ) -> Bytes {
        self.raw(TxEip1559 {
            gas_limit,
            to: TxKind::Call(to),
            value: U256::from(value),
            input: call.abi_encode().into(),
            ..tx(nonce)
        })
    }
}

/// A dynamic fee transaction that pays enough.
pub fn tx(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: GWEI,
        ..TxEip1559::default()
    }
}

pub fn legacy(nonce: u64) -> TxLegacy {
    TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 100 * GWEI,
        gas_limit: 21_000,
        ..TxLegacy::default()
    }
}

pub fn with_list(nonce: u64) -> TxEip2930 {
    TxEip2930 {
        chain_id: CHAIN_ID,
        nonce,
        gas_price: 100 * GWEI,
        gas_limit: 100_000,
        ..TxEip2930::default()
    }
}

/// A genesis file with ether for the wallets and the contract of EIP-4788.
pub fn genesis_json() -> String {
    let contract = format!(
        r#""{BEACON_ROOTS_ADDRESS}": {{"balance": "0x0", "nonce": "0x1", "code": "{BEACON_ROOTS_CODE}"}}"#
    );
    genesis_json_with(&format!("{},{contract}", funded()), "")
}

/// The wallets with ether, as accounts of a genesis file.
pub fn funded() -> String {
    let accounts = (0..FUNDED)
        .map(|number| {
            format!(r#""{}": {{"balance": "0x3635c9adc5dea00000"}}"#, wallet(number).address)
        })
        .collect::<Vec<_>>();
    accounts.join(",")
}

pub fn genesis_json_with(alloc: &str, more_config: &str) -> String {
    format!(
        r#"{{
            "config": {{
                "chainId": {CHAIN_ID}, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
                "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
                "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
                "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0,
                "cancunTime": 0{more_config}
            }},
            "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "{GAS_LIMIT:#x}",
            "difficulty": "0x0", "coinbase": "0x0000000000000000000000000000000000000000",
            "baseFeePerGas": "0x3b9aca00",
            "alloc": {{{alloc}}}
        }}"#
    )
}

/// A node with its own state.
pub struct Node {
    pub dir: Arc<tempfile::TempDir>,
    pub executor: EmbeddedExecutor,
}

pub fn genesis() -> EvmGenesis {
    EvmGenesis::from_json(&genesis_json()).unwrap()
}

pub fn open(dir: &Path, genesis: EvmGenesis, senders: Arc<dyn SenderSource>) -> EmbeddedExecutor {
    let config = EvmConfig {
        genesis,
        dir: dir.to_path_buf(),
        state: ande_execution::state::StateOptions::default(),
    };
    EmbeddedExecutor::open(config, senders).unwrap()
}

impl Node {
    pub fn new() -> Self {
        Self::with(genesis())
    }

    pub fn with(genesis: EvmGenesis) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let executor = open(dir.path(), genesis, Arc::new(NoSenders));
        Self { dir, executor }
    }

    pub fn reader(&self) -> EvmReader {
        self.executor.reader()
    }

    pub async fn attributes(&self) -> Attributes {
        after(&self.executor.head().await)
    }

    /// Builds and commits a block; every given transaction must be in it.
    pub async fn grow(&self, transactions: Vec<Bytes>) -> Payload {
        let payload = self.build(transactions.clone()).await;
        assert_eq!(payload.transactions, transactions, "a transaction was left out");
        self.commit(&payload).await;
        payload
    }

    pub async fn build(&self, transactions: Vec<Bytes>) -> Payload {
        self.executor.propose(self.attributes().await, transactions).await.unwrap()
    }

    pub async fn commit(&self, payload: &Payload) {
        self.executor.commit(payload.hash()).await.unwrap();
        assert_eq!(self.executor.head().await.hash, payload.hash());
    }

    pub async fn validate(&self, payload: &Payload) -> PayloadStatus {
        self.executor.validate(&self.attributes().await, payload).await.unwrap()
    }

    /// Validates and commits somebody else's block.
    pub async fn follow(&self, payload: &Payload) {
        assert_eq!(self.validate(payload).await, PayloadStatus::Valid);
        self.commit(payload).await;
    }

    pub fn receipts(&self, number: u64) -> Arc<BlockReceipts> {
        self.reader().receipts(number).unwrap().unwrap()
    }

    /// The receipts of the newest block: success and gas.
    pub fn outcomes(&self) -> Vec<(bool, u64)> {
        let receipts = self.receipts(self.reader().head().number);
        receipts.receipts.iter().map(|one| (one.receipt.is_success(), one.gas_used)).collect()
    }

    /// Deploys from wallet 0 in a block of its own.
    pub async fn deploy(&self, nonce: u64, code: Bytes) -> Address {
        let deployer = wallet(0);
        self.grow(vec![deployer.create(nonce, code)]).await;
        assert!(self.outcomes()[0].0, "the contract was not deployed");
        deployer.address.create(nonce)
    }

    pub fn balance(&self, address: Address) -> U256 {
        let reader = self.reader();
        reader.account(reader.head().number, address).unwrap().balance
    }
}

pub fn after(head: &ExecHead) -> Attributes {
    Attributes {
        number: head.number + 1,
        timestamp_ms: (head.timestamp + 2) * 1000 + 345,
        fee_recipient: FEE_RECIPIENT,
        parent_execution_hash: head.hash,
        parent_consensus_hash: consensus_hash(head.number),
    }
}

pub fn consensus_hash(parent: u64) -> B256 {
    keccak256([b"consensus".as_slice(), &parent.to_be_bytes()].concat())
}

/// The payload with another header.
pub fn with_header(payload: &Payload, change: impl FnOnce(&mut Header)) -> Payload {
    let mut header = payload.decode_header().unwrap();
    change(&mut header);
    Payload::new(&header, payload.transactions.clone())
}

//! A random workload on this executor and on anvil: equal receipts, fees and state.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alloy_consensus::{TxEip1559, TxEip2930, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::SolCall as _;
use ande_execution::EvmGenesis;
use common::*;
use serde_json::{Value, json};

const BLOCKS: u64 = 24;
const PER_BLOCK: u64 = 110;

/// The genesis of both, without the contract of EIP-4788: anvil has no consensus hashes to give it.
fn plain_genesis() -> String {
    genesis_json_with(&funded(), "")
}

/// A running anvil of Cancun with the tests' genesis. Killed when dropped.
struct Anvil {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    fn start() -> Self {
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
        let program = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../node_modules/@foundry-rs/anvil-{os}-{arch}/bin/anvil"));
        let program = if program.is_file() { program } else { "anvil".into() };
        let dir = tempfile::tempdir().unwrap();
        let genesis = dir.path().join("genesis.json");
        std::fs::write(&genesis, plain_genesis()).unwrap();
        let port = ande_ports::reserve().unwrap();
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--chain-id", &CHAIN_ID.to_string(), "--hardfork", "cancun"])
            .args(["--gas-limit", &GAS_LIMIT.to_string(), "--base-fee", "875000000"])
            .args(["--no-mining", "--order", "fifo", "--accounts", "0", "--quiet"])
            .args(["--timestamp", "0", "--disable-default-create2-deployer"])
            .arg("--init")
            .arg(&genesis)
            .arg("--cache-path")
            .arg(dir.path().join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil is not installed: npm install --no-save");
        let anvil = Self { child, port, _dir: dir };
        let deadline = Instant::now() + Duration::from_secs(30);
        while anvil.try_post("{}").is_none() {
            assert!(Instant::now() < deadline, "anvil does not answer");
            std::thread::yield_now();
        }
        anvil.ask("anvil_setCoinbase", json!([FEE_RECIPIENT]));
        anvil
    }

    fn try_post(&self, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let head = format!(
            "POST / HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    fn batch(&self, method: &str, params: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let calls: Vec<Value> = params
            .into_iter()
            .enumerate()
            .map(|(id, params)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .collect();
        if calls.is_empty() {
            return vec![];
        }
        let answer = self.try_post(&Value::from(calls).to_string()).expect("anvil is gone");
        let answers: Vec<Value> = serde_json::from_str(&answer).unwrap();
        answers
            .into_iter()
            .map(|mut answer| {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                answer["result"].take()
            })
            .collect()
    }

    fn ask(&self, method: &str, params: Value) -> Value {
        self.batch(method, [params]).remove(0)
    }
}

/// A small generator: the same workload on every run.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.next(256) as u8).collect()
    }

    /// Code that mostly finds what it needs on the stack, and may do anything but look at block
    /// hashes and randomness, which differ.
    fn code(&mut self) -> Vec<u8> {
        let mut code = vec![];
        for _ in 0..self.next(60) {
            match self.next(3) {
                0 => code.extend([0x60, self.next(64) as u8]),
                1 => {
                    let length = 1 + self.next(32);
                    code.push(0x5f + length as u8);
                    code.extend(self.bytes(length));
                }
                _ => {
                    let op = self.next(256) as u8;
                    if !matches!(op, 0x40 | 0x44 | 0x5b) {
                        for _ in 0..self.next(8) {
                            code.extend([0x60, self.next(40) as u8]);
                        }
                        code.push(op);
                    }
                }
            }
        }
        code
    }

    /// Code that returns `code` as a contract.
    fn deploying(&mut self, code: &[u8]) -> Vec<u8> {
        let mut init = vec![0x61, (code.len() >> 8) as u8, code.len() as u8];
        init.extend([0x80, 0x60, 12, 0x60, 0, 0x39, 0x60, 0, 0xf3]);
        init.extend(code);
        init
    }
}

/// What the workload touched.
#[derive(Default)]
struct Touched {
    contracts: Vec<Address>,
    accounts: Vec<Address>,
}

fn transaction(
    random: &mut Random,
    nonces: &mut [u64],
    touched: &mut Touched,
    (token, probe): (Address, Address),
) -> Bytes {
    let from = random.next(FUNDED);
    let nonce = nonces[from as usize];
    nonces[from as usize] += 1;
    let sender = wallet(from);
    let to = Address::from_slice(&random.bytes(20));
    let to = if random.next(3) == 0 { wallet(random.next(FUNDED)).address } else { to };
    touched.accounts.push(to);
    let call = |call: Vec<u8>, contract: Address, gas_limit: u64, value: u64| TxEip1559 {
        gas_limit,
        to: TxKind::Call(contract),
        value: U256::from(value),
        input: call.into(),
        ..tx(nonce)
    };
    match random.next(14) {
        0 => sender.transfer(nonce, to, random.next(1 << 50)),
        1 => sender.raw(TxLegacy {
            to: TxKind::Call(to),
            value: U256::from(random.next(1 << 50)),
            ..legacy(nonce)
        }),
        2 | 3 => {
            let transfer = transferCall { to, value: U256::from(random.next(60)) };
            sender.raw(call(transfer.abi_encode(), token, 40_000 + random.next(40_000), 0))
        }
        4 => {
            let input = makeCall { first: U256::from(random.next(1000)) }.abi_encode();
            sender.raw(call(input, probe, 500_000, random.next(1000)))
        }
        5 => {
            let input = nestedCall { value: U256::from(random.next(3)) }.abi_encode();
            sender.raw(call(input, probe, 30_000 + random.next(100_000), 0))
        }
        6 => {
            let input = makeAndKillCall { heir: to }.abi_encode();
            sender.raw(call(input, probe, 500_000, random.next(1000)))
        }
        7 => sender.raw(call(panicsCall {}.abi_encode(), probe, 60_000, 0)),
        8 => {
            let fill = fillCall {
                from: U256::from(random.next(30)),
                count: U256::from(random.next(8)),
                value: U256::from(random.next(3)),
            };
            sender.raw(call(fill.abi_encode(), probe, 60_000 + random.next(200_000), 0))
        }
        9 => {
            let precompile = Address::with_last_byte(1 + random.next(11) as u8);
            let length = random.next(260);
            let input = random.bytes(length).into();
            sender.raw(call(askCall { precompile, input }.abi_encode(), probe, 200_000, 0))
        }
        10 => {
            let list = AccessList(vec![AccessListItem {
                address: probe,
                storage_keys: (0..random.next(5))
                    .map(|slot| B256::from(U256::from(slot)))
                    .collect(),
            }]);
            sender.raw(TxEip2930 {
                to: TxKind::Call(probe),
                gas_limit: 300_000,
                input: transientCall { value: U256::from(random.next(9)) }.abi_encode().into(),
                access_list: list,
                ..with_list(nonce)
            })
        }
        11 | 12 => {
            let code = random.code();
            let input = if random.next(2) == 0 { code } else { random.deploying(&code) };
            touched.contracts.push(sender.address.create(nonce));
            sender.raw(TxEip1559 {
                gas_limit: 100_000 + random.next(300_000),
                to: TxKind::Create,
                value: U256::from(random.next(2) * 1000),
                input: input.into(),
                ..tx(nonce)
            })
        }
        _ => {
            let contract = match touched.contracts.len() as u64 {
                0 => to,
                count => touched.contracts[random.next(count) as usize],
            };
            let length = random.next(70);
            let input = random.bytes(length);
            sender.raw(call(input, contract, 30_000 + random.next(300_000), random.next(2) * 77))
        }
    }
}

#[tokio::test]
async fn a_random_workload_gives_what_anvil_gives() {
    let anvil = Anvil::start();
    let node = Node::with(EvmGenesis::from_json(&plain_genesis()).unwrap());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut nonces = vec![0; FUNDED as usize];
    let mut touched = Touched::default();
    let token = wallet(0).address.create(0);
    let probe = wallet(0).address.create(1);
    nonces[0] = 2;
    touched.contracts.extend([token, probe]);
    let (mut count, mut failed) = (0, 0);
    for block in 1..=BLOCKS {
        let transactions: Vec<Bytes> = if block == 1 {
            vec![
                wallet(0).create(0, token_code(U256::from(1_000_000))),
                wallet(0).create(1, probe_code()),
            ]
        } else {
            (0..PER_BLOCK)
                .map(|_| transaction(&mut random, &mut nonces, &mut touched, (token, probe)))
                .collect()
        };
        anvil.batch("eth_sendRawTransaction", transactions.iter().map(|raw| json!([raw])));
        let attributes = node.attributes().await;
        anvil.ask("evm_setNextBlockTimestamp", json!([attributes.timestamp_ms / 1000]));
        anvil.ask("evm_mine", json!([]));
        let theirs = anvil.ask("eth_getBlockByNumber", json!(["latest", false]));
        // It takes a batch in an order of its own.
        let by_hash: HashMap<B256, Bytes> =
            transactions.iter().map(|raw| (keccak256(raw), raw.clone())).collect();
        let hashes: Vec<B256> = serde_json::from_value(theirs["transactions"].clone()).unwrap();
        assert_eq!(hashes.len(), transactions.len(), "block {block}");
        let payload = node.grow(hashes.iter().map(|hash| by_hash[hash].clone()).collect()).await;
        let header = payload.decode_header().unwrap();
        let quantity = |value: &Value| {
            let text = value.as_str().unwrap_or_else(|| panic!("{value} is no quantity"));
            u64::from_str_radix(&text[2..], 16).unwrap()
        };
        assert_eq!(quantity(&theirs["baseFeePerGas"]), header.base_fee_per_gas.unwrap());
        let ours = node.receipts(block);
        let receipts =
            anvil.batch("eth_getTransactionReceipt", hashes.iter().map(|hash| json!([hash])));
        for ((ours, theirs), hash) in ours.receipts.iter().zip(receipts).zip(hashes) {
            let what = format!("block {block} transaction {hash}: {theirs}");
            count += 1;
            failed += u64::from(!ours.receipt.is_success());
            assert_eq!(quantity(&theirs["status"]) == 1, ours.receipt.is_success(), "{what}");
            assert_eq!(quantity(&theirs["gasUsed"]), ours.gas_used, "{what}");
            let contract: Option<Address> =
                serde_json::from_value(theirs["contractAddress"].clone()).unwrap();
            assert_eq!(contract, ours.contract_address, "{what}");
            let logs = theirs["logs"].as_array().unwrap();
            assert_eq!(logs.len(), ours.receipt.logs().len(), "{what}");
            for (theirs, ours) in logs.iter().zip(ours.receipt.logs()) {
                assert_eq!(theirs["address"], json!(ours.address), "{what}");
                assert_eq!(theirs["topics"], json!(ours.topics()), "{what}");
                assert_eq!(theirs["data"], json!(ours.data.data), "{what}");
            }
        }
        assert_eq!(quantity(&theirs["gasUsed"]), header.gas_used);
        let bloom: alloy_primitives::Bloom =
            serde_json::from_value(theirs["logsBloom"].clone()).unwrap();
        assert_eq!(bloom, header.logs_bloom);
        assert_eq!(theirs["transactionsRoot"], json!(header.transactions_root));
        assert_eq!(theirs["receiptsRoot"], json!(header.receipts_root));
        // No state root: anvil's has the empty accounts that were only touched.
    }
    // Both ways out were taken often.
    assert!(
        count > 2_400 && failed > count / 10 && failed < count / 2 + count / 10,
        "{failed} of {count}"
    );
    compare_states(&node, &anvil, &touched);
}

fn compare_states(node: &Node, anvil: &Anvil, touched: &Touched) {
    let reader = node.reader();
    let mut accounts = touched.accounts.clone();
    accounts.extend(&touched.contracts);
    accounts.extend((0..FUNDED).map(|number| wallet(number).address));
    accounts.push(FEE_RECIPIENT);
    accounts.sort();
    accounts.dedup();
    let latest = |address: &Address| json!([address, "latest"]);
    let balances = anvil.batch("eth_getBalance", accounts.iter().map(latest));
    let nonces = anvil.batch("eth_getTransactionCount", accounts.iter().map(latest));
    let codes = anvil.batch("eth_getCode", accounts.iter().map(latest));
    for (index, address) in accounts.iter().enumerate() {
        let ours = reader.account(BLOCKS, *address).unwrap();
        assert_eq!(balances[index], json!(ours.balance), "balance of {address}");
        assert_eq!(nonces[index], json!(U256::from(ours.nonce)), "nonce of {address}");
        assert_eq!(codes[index], json!(reader.code(BLOCKS, *address).unwrap()), "{address}");
    }
    let slots: Vec<(Address, U256)> = touched
        .contracts
        .iter()
        .flat_map(|contract| (0..24).map(|slot| (*contract, U256::from(slot))))
        .chain((0..32).map(|key: u64| {
            let place = [B256::from(U256::from(key)), B256::from(U256::from(2))].concat();
            (touched.contracts[1], keccak256(place).into())
        }))
        .chain(accounts.iter().map(|owner| {
            let place = [owner.into_word(), B256::ZERO].concat();
            (touched.contracts[0], keccak256(place).into())
        }))
        .collect();
    let theirs = anvil.batch(
        "eth_getStorageAt",
        slots.iter().map(|(address, slot)| json!([address, slot, "latest"])),
    );
    for ((address, slot), theirs) in slots.iter().zip(theirs) {
        let ours = reader.storage(BLOCKS, *address, *slot).unwrap();
        assert_eq!(theirs, json!(ours), "slot {slot} of {address}");
    }
}

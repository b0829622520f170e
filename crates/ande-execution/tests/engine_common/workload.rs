//! Blocks full of every kind of transaction, the same ones for the same seed.

use std::collections::BTreeMap;

use alloy_consensus::{TxEip1559, TxEip2930, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_sol_types::SolCall;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::{
    COUNTER,
    programs::{deploying, program},
};
use crate::common::*;

/// Accounts that send.
pub const SENDERS: u64 = 40;

/// Most contracts of one kind that are remembered and called.
const MAX_REMEMBERED: usize = 30;

/// Gas that the transactions of a block may ask for together, below the block gas limit.
const BLOCK_GAS: u64 = GAS_LIMIT - 500_000;

/// Makes transactions. Each is valid when all before it are in the chain.
pub struct Workload {
    random: StdRng,
    nonces: Vec<u64>,
    tokens: Vec<Address>,
    children: Vec<Address>,
    probes: Vec<Address>,
    programs: Vec<Address>,
    gas_left: u64,
    /// How many of each kind were made.
    pub kinds: BTreeMap<&'static str, usize>,
}

/// What a transaction does, without who sends it and how it pays.
struct Deed {
    to: TxKind,
    value: u64,
    input: Bytes,
    gas: u64,
}

fn call(to: Address, call: &impl SolCall, gas: u64) -> Deed {
    Deed { to: TxKind::Call(to), value: 0, input: call.abi_encode().into(), gas }
}

fn create(input: Bytes, gas: u64) -> Deed {
    Deed { to: TxKind::Create, value: 0, input, gas }
}

impl Workload {
    pub fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            nonces: vec![0; usize::try_from(SENDERS).unwrap()],
            tokens: Vec::new(),
            children: Vec::new(),
            probes: Vec::new(),
            programs: Vec::new(),
            gas_left: 0,
            kinds: BTreeMap::new(),
        }
    }

    /// The transactions of the next block: at most `count`, fewer when their gas fills it.
    pub fn block(&mut self, count: usize) -> Vec<Bytes> {
        self.gas_left = BLOCK_GAS;
        let mut block = Vec::with_capacity(count);
        while block.len() < count {
            let sender = self.random.random_range(0..self.nonces.len());
            let (kind, deed) = self.deed(sender);
            let Some(left) = self.gas_left.checked_sub(deed.gas) else { break };
            self.gas_left = left;
            *self.kinds.entry(kind).or_default() += 1;
            self.remember(kind, sender, &deed);
            block.push(self.signed(sender, deed));
            self.nonces[sender] += 1;
        }
        block
    }

    /// Remembers what a creation leaves behind, for later calls.
    fn remember(&mut self, kind: &str, sender: usize, deed: &Deed) {
        let list = match kind {
            "create token" => &mut self.tokens,
            "create child" => &mut self.children,
            "create probe" => &mut self.probes,
            "create program" => &mut self.programs,
            _ => return,
        };
        assert_eq!(deed.to, TxKind::Create);
        if list.len() == MAX_REMEMBERED {
            list.remove(0);
        }
        list.push(wallet(sender as u64).address.create(self.nonces[sender]));
    }

    fn deed(&mut self, sender: usize) -> (&'static str, Deed) {
        let someone = self.someone();
        let pick = self.random.random_range(0..100);
        match pick {
            0..20 => self.transfer(someone),
            20..36 => self.token(sender, someone),
            36..46 => self.creation(),
            46..54 => self.bad_creation(),
            54..62 => self.child(someone),
            62..80 => self.probe(someone),
            80..86 => self.precompile(),
            86..93 => {
                let (length, accounts) = (self.random.random_range(5..40), self.accounts());
                let code = program(&mut self.random, length, &accounts);
                ("run init code", Deed { value: 3, ..create(code, 900_000) })
            }
            _ => match self.programs.choose(&mut self.random).copied() {
                Some(program) => {
                    let input = self.bytes(100);
                    (
                        "run program",
                        Deed { to: TxKind::Call(program), value: 2, input, gas: 600_000 },
                    )
                }
                None => self.creation(),
            },
        }
    }

    fn transfer(&mut self, someone: Address) -> (&'static str, Deed) {
        let value = self.random.random_range(0..1_000);
        let input = Bytes::new();
        match self.random.random_range(0..6) {
            0 => ("touch", Deed { to: TxKind::Call(someone), value: 0, input, gas: 90_000 }),
            1 => {
                let input = self.bytes(300);
                (
                    "transfer with data",
                    Deed { to: TxKind::Call(someone), value, input, gas: 90_000 },
                )
            }
            2 => {
                let low = self.random.random_range(1..=10_u8);
                let to = TxKind::Call(Address::with_last_byte(low));
                ("transfer to a precompile", Deed { to, value, input, gas: 90_000 })
            }
            3 => {
                let to = TxKind::Call(COUNTER);
                ("count", Deed { to, value, input, gas: 60_000 })
            }
            _ => ("transfer", Deed { to: TxKind::Call(someone), value, input, gas: 90_000 }),
        }
    }

    fn token(&mut self, sender: usize, someone: Address) -> (&'static str, Deed) {
        let Some(token) = self.tokens.choose(&mut self.random).copied() else {
            return self.creation();
        };
        // Most senders have none: the transfer reverts.
        let value = U256::from(self.random.random_range(0..20));
        let to = if self.random.random_bool(0.5) { someone } else { wallet(sender as u64).address };
        if self.random.random_bool(0.1) {
            // Enough to begin with, not to end.
            return ("token out of gas", call(token, &transferCall { to, value }, 28_000));
        }
        ("token transfer", call(token, &transferCall { to, value }, 120_000))
    }

    fn creation(&mut self) -> (&'static str, Deed) {
        match self.random.random_range(0..4) {
            0 => ("create token", create(token_code(U256::from(1_000_000)), 900_000)),
            1 => {
                let first = U256::from(self.random.random::<u64>());
                let value = self.random.random_range(0..50);
                ("create child", Deed { value, ..create(child_code(first), 500_000) })
            }
            2 => ("create probe", create(probe_code(), 1_800_000)),
            _ => {
                let (length, accounts) = (self.random.random_range(5..60), self.accounts());
                let runtime = program(&mut self.random, length, &accounts);
                ("create program", create(deploying(&runtime), 1_200_000))
            }
        }
    }

    fn bad_creation(&mut self) -> (&'static str, Deed) {
        match self.random.random_range(0..7) {
            0 => ("create out of gas", create(probe_code(), 200_000)),
            // The init code runs, keeping its code costs too much.
            1 => ("create without deposit", create(deploying(&[0x5b; 1_000]), 120_000)),
            2 => ("create reverting", create(hex!("60aa5f5260205ffd").into(), 200_000)),
            3 => ("create with 0xef", create(deploying(&[0xef, 0x00]), 200_000)),
            // PUSH2 24577 PUSH0 RETURN
            4 => ("create too long", create(hex!("6160015ff3").into(), 5_300_000)),
            5 => ("create nothing", create(Bytes::new(), 100_000)),
            _ => ("create invalid", create(hex!("fe").into(), 150_000)),
        }
    }

    fn child(&mut self, someone: Address) -> (&'static str, Deed) {
        let Some(child) = self.children.choose(&mut self.random).copied() else {
            return self.creation();
        };
        match self.random.random_range(0..4) {
            0 => ("selfdestruct", call(child, &dieCall { heir: someone }, 120_000)),
            1 => ("revert", call(child, &failCall {}, 60_000)),
            2 => {
                // Clearing a slot gives gas back.
                ("clear", call(child, &setCall { next: U256::ZERO }, 60_000))
            }
            _ => {
                let next = U256::from(self.random.random::<u64>());
                ("set", call(child, &setCall { next }, 60_000))
            }
        }
    }

    fn probe(&mut self, someone: Address) -> (&'static str, Deed) {
        let Some(probe) = self.probes.choose(&mut self.random).copied() else {
            return self.creation();
        };
        let word = U256::from(self.random.random::<u32>());
        let value = self.random.random_range(0..30);
        match self.random.random_range(0..9) {
            0 => {
                ("nested create", Deed { value, ..call(probe, &makeCall { first: word }, 600_000) })
            }
            1 => ("nested revert", call(probe, &nestedCall { value: word }, 200_000)),
            2 => {
                let deed = call(probe, &makeAndKillCall { heir: someone }, 700_000);
                ("create and selfdestruct", Deed { value, ..deed })
            }
            3 => ("nested out of gas", call(probe, &feedCall { gas_: word }, 300_000)),
            4 => ("panic", call(probe, &panicsCall {}, 60_000)),
            5 => {
                let from = U256::from(self.random.random_range(0..8));
                let value = U256::from(self.random.random_range(0..3));
                (
                    "fill slots",
                    call(probe, &fillCall { from, count: U256::from(6), value }, 220_000),
                )
            }
            6 => ("out of gas", call(probe, &foreverCall {}, 150_000)),
            7 => {
                let number = U256::from(self.random.random_range(0..40));
                let time = U256::from(self.random.random_range(0..200));
                ("look around", call(probe, &lookCall { number, time }, 100_000))
            }
            _ => ("transient", call(probe, &transientCall { value: word }, 100_000)),
        }
    }

    fn precompile(&mut self) -> (&'static str, Deed) {
        let (number, input) = match self.random.random_range(0..8) {
            0 => (1, RECOVER.into()),
            1 => (5, MODEXP.into()),
            2 => (6, [G1, G1].concat().into()),
            3 => (
                7,
                [G1.as_slice(), &U256::from(self.random.random::<u64>()).to_be_bytes::<32>()]
                    .concat()
                    .into(),
            ),
            4 => (8, Bytes::new()),
            5 => (9, blake()),
            // What is no input of any precompile mostly.
            _ => (self.random.random_range(1..=11), self.bytes(400)),
        };
        let target = Address::with_last_byte(number);
        match self.probes.choose(&mut self.random).copied() {
            Some(probe) if self.random.random_bool(0.7) => {
                ("precompile inside", call(probe, &askCall { precompile: target, input }, 400_000))
            }
            _ => {
                let to = TxKind::Call(target);
                ("precompile", Deed { to, value: 0, input, gas: 300_000 })
            }
        }
    }

    fn signed(&mut self, sender: usize, deed: Deed) -> Bytes {
        let nonce = self.nonces[sender];
        let Deed { to, value, input, gas } = deed;
        let (value, wallet) = (U256::from(value), wallet(sender as u64));
        let price = 60 * GWEI + u128::from(self.random.random_range(0..1_000_000_000_u64));
        match self.random.random_range(0..10) {
            0..2 => wallet.raw(TxLegacy {
                // Before EIP-155 transactions named no chain; they are valid still.
                chain_id: self.random.random_bool(0.8).then_some(CHAIN_ID),
                nonce,
                gas_price: price,
                gas_limit: gas,
                to,
                value,
                input,
            }),
            2..5 => {
                let (access_list, gas_limit) = self.access_list(gas);
                wallet.raw(TxEip2930 {
                    chain_id: CHAIN_ID,
                    nonce,
                    gas_price: price,
                    gas_limit,
                    to,
                    value,
                    access_list,
                    input,
                })
            }
            _ => {
                let (access_list, gas_limit) = self.access_list(gas);
                wallet.raw(TxEip1559 {
                    chain_id: CHAIN_ID,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: price,
                    max_priority_fee_per_gas: price % (2 * GWEI),
                    to,
                    value,
                    access_list,
                    input,
                })
            }
        }
    }

    /// An access list, often none, and the gas limit with what it costs if the block has it left.
    fn access_list(&mut self, gas: u64) -> (AccessList, u64) {
        let mut items = Vec::new();
        let mut cost = 0;
        if self.random.random_bool(0.4) {
            let accounts = self.accounts();
            for _ in 0..self.random.random_range(1..4) {
                let keys = self.random.random_range(0..4);
                let storage_keys = (0..keys)
                    .map(|_| B256::from(U256::from(self.random.random_range(0..4_u64))))
                    .collect::<Vec<_>>();
                cost += 2_400 + 1_900 * storage_keys.len() as u64;
                let address = *accounts.choose(&mut self.random).unwrap();
                items.push(AccessListItem { address, storage_keys });
            }
        }
        match self.gas_left.checked_sub(cost) {
            Some(left) => {
                self.gas_left = left;
                (AccessList(items), gas + cost)
            }
            None => (AccessList::default(), gas),
        }
    }

    fn someone(&mut self) -> Address {
        match self.random.random_range(0..3) {
            0 => Address::from(self.random.random::<[u8; 20]>()),
            _ => wallet(self.random.random_range(0..SENDERS)).address,
        }
    }

    /// Accounts worth calling.
    fn accounts(&mut self) -> Vec<Address> {
        let mut accounts = vec![COUNTER, self.someone(), FEE_RECIPIENT];
        for list in [&self.tokens, &self.children, &self.probes, &self.programs] {
            accounts.extend(list.choose(&mut self.random));
        }
        accounts
    }

    fn bytes(&mut self, most: usize) -> Bytes {
        let length = self.random.random_range(0..most);
        // Zeros are cheaper than the rest.
        (0..length)
            .map(|_| if self.random.random_bool(0.3) { 0 } else { self.random.random() })
            .collect::<Vec<u8>>()
            .into()
    }
}

/// The generator of the group that the EIP-196 precompiles compute in.
const G1: [u8; 64] = {
    let mut point = [0; 64];
    point[31] = 1;
    point[63] = 2;
    point
};

/// A signature with its hash, as in the tests of the first precompile.
const RECOVER: [u8; 128] = hex!(
    "456e9aea5e197a1f1af7a3e85a3212fa4049a3ba34c2289b4c860fc0b0c64ef3"
    "000000000000000000000000000000000000000000000000000000000000001c"
    "9242685bf161793cc25603c231bc2f568eb630ea16aa137d2664ac8038825608"
    "4f8ae3bd7535248d0bd448298cc2e2071e56992d0774dc340c368ae950852ada"
);

/// 3 ^ (p - 1) mod p, from EIP-198.
const MODEXP: [u8; 161] = hex!(
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0000000000000000000000000000000000000000000000000000000000000020"
    "0000000000000000000000000000000000000000000000000000000000000020"
    "03"
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2e"
    "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"
);

/// "abc" hashed, from EIP-152.
fn blake() -> Bytes {
    let state = hex!(
        "48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
        "d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b"
    );
    let (mut message, mut counter) = ([0; 128], [0; 16]);
    message[..3].copy_from_slice(b"abc");
    counter[0] = 3;
    [&12_u32.to_be_bytes(), state.as_slice(), &message, &counter, &[1]].concat().into()
}

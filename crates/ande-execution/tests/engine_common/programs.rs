//! Random EVM programs that mostly run to their end.

use alloy_primitives::{Address, Bytes, U256};
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

/// What an instruction takes from the stack.
#[derive(Clone, Copy)]
enum Arg {
    /// Any word.
    Word,
    /// A place in memory.
    Place,
    /// A small length.
    Length,
    /// A storage slot that other instructions are likely to use too.
    Slot,
    /// An account.
    Account,
    /// A call's gas.
    Gas,
    /// A call's ether, mostly none.
    Ether,
    /// A block number or an index.
    Small,
}

use Arg::{Account, Ether, Gas, Length, Place, Slot, Small, Word};

/// Instructions with arguments (topmost first) and whether they leave a word.
const INSTRUCTIONS: &[(u8, &[Arg], bool)] = &[
    (0x01, &[Word, Word], true),                                        // ADD
    (0x02, &[Word, Word], true),                                        // MUL
    (0x03, &[Word, Word], true),                                        // SUB
    (0x04, &[Word, Word], true),                                        // DIV
    (0x05, &[Word, Word], true),                                        // SDIV
    (0x06, &[Word, Word], true),                                        // MOD
    (0x07, &[Word, Word], true),                                        // SMOD
    (0x08, &[Word, Word, Word], true),                                  // ADDMOD
    (0x09, &[Word, Word, Word], true),                                  // MULMOD
    (0x0a, &[Word, Small], true),                                       // EXP
    (0x0b, &[Small, Word], true),                                       // SIGNEXTEND
    (0x10, &[Word, Word], true),                                        // LT
    (0x12, &[Word, Word], true),                                        // SLT
    (0x13, &[Word, Word], true),                                        // SGT
    (0x14, &[Word, Word], true),                                        // EQ
    (0x15, &[Word], true),                                              // ISZERO
    (0x18, &[Word, Word], true),                                        // XOR
    (0x19, &[Word], true),                                              // NOT
    (0x1a, &[Small, Word], true),                                       // BYTE
    (0x1b, &[Small, Word], true),                                       // SHL
    (0x1c, &[Small, Word], true),                                       // SHR
    (0x1d, &[Small, Word], true),                                       // SAR
    (0x20, &[Place, Length], true),                                     // KECCAK256
    (0x30, &[], true),                                                  // ADDRESS
    (0x31, &[Account], true),                                           // BALANCE
    (0x32, &[], true),                                                  // ORIGIN
    (0x33, &[], true),                                                  // CALLER
    (0x34, &[], true),                                                  // CALLVALUE
    (0x35, &[Small], true),                                             // CALLDATALOAD
    (0x36, &[], true),                                                  // CALLDATASIZE
    (0x37, &[Place, Small, Length], false),                             // CALLDATACOPY
    (0x38, &[], true),                                                  // CODESIZE
    (0x39, &[Place, Small, Length], false),                             // CODECOPY
    (0x3a, &[], true),                                                  // GASPRICE
    (0x3b, &[Account], true),                                           // EXTCODESIZE
    (0x3c, &[Account, Place, Small, Length], false),                    // EXTCODECOPY
    (0x3d, &[], true),                                                  // RETURNDATASIZE
    (0x3f, &[Account], true),                                           // EXTCODEHASH
    (0x40, &[Small], true),                                             // BLOCKHASH
    (0x41, &[], true),                                                  // COINBASE
    (0x42, &[], true),                                                  // TIMESTAMP
    (0x43, &[], true),                                                  // NUMBER
    (0x44, &[], true),                                                  // PREVRANDAO
    (0x45, &[], true),                                                  // GASLIMIT
    (0x46, &[], true),                                                  // CHAINID
    (0x47, &[], true),                                                  // SELFBALANCE
    (0x48, &[], true),                                                  // BASEFEE
    (0x49, &[Small], true),                                             // BLOBHASH
    (0x4a, &[], true),                                                  // BLOBBASEFEE
    (0x51, &[Place], true),                                             // MLOAD
    (0x52, &[Place, Word], false),                                      // MSTORE
    (0x53, &[Place, Word], false),                                      // MSTORE8
    (0x54, &[Slot], true),                                              // SLOAD
    (0x55, &[Slot, Word], false),                                       // SSTORE
    (0x58, &[], true),                                                  // PC
    (0x59, &[], true),                                                  // MSIZE
    (0x5a, &[], true),                                                  // GAS
    (0x5c, &[Slot], true),                                              // TLOAD
    (0x5d, &[Slot, Word], false),                                       // TSTORE
    (0x5e, &[Place, Place, Length], false),                             // MCOPY
    (0xa0, &[Place, Length], false),                                    // LOG0
    (0xa1, &[Place, Length, Word], false),                              // LOG1
    (0xa2, &[Place, Length, Word, Word], false),                        // LOG2
    (0xa4, &[Place, Length, Word, Word, Word, Word], false),            // LOG4
    (0xf0, &[Ether, Place, Length], true),                              // CREATE
    (0xf1, &[Gas, Account, Ether, Place, Length, Place, Length], true), // CALL
    (0xf2, &[Gas, Account, Ether, Place, Length, Place, Length], true), // CALLCODE
    (0xf4, &[Gas, Account, Place, Length, Place, Length], true),        // DELEGATECALL
    (0xf5, &[Ether, Place, Length, Small], true),                       // CREATE2
    (0xfa, &[Gas, Account, Place, Length, Place, Length], true),        // STATICCALL
];

/// Runs about `length` instructions and keeps what they gave in storage. `accounts` are what it
/// calls and looks at.
pub fn program(random: &mut StdRng, length: usize, accounts: &[Address]) -> Bytes {
    let mut code = Vec::new();
    for _ in 0..length {
        let (instruction, args, leaves) = *INSTRUCTIONS.choose(random).unwrap();
        for arg in args.iter().rev() {
            push(&mut code, random, *arg, accounts);
        }
        code.push(instruction);
        if leaves && random.random_bool(0.7) {
            push(&mut code, random, Slot, accounts);
            code.push(0x55);
        }
    }
    match random.random_range(0..12) {
        0 => {
            push(&mut code, random, Account, accounts);
            code.push(0xff); // SELFDESTRUCT
        }
        1 => code.extend([0x60, 0x20, 0x5f, 0xfd]), // REVERT with 32 bytes
        2 => code.push(0xfe),                       // INVALID
        3..6 => code.extend([0x60, 0x20, 0x5f, 0xf3]), // RETURN of 32 bytes
        _ => code.push(0x00),                       // STOP
    }
    code.into()
}

/// Init code that deploys `runtime`.
pub fn deploying(runtime: &[u8]) -> Bytes {
    let length = u16::try_from(runtime.len()).unwrap().to_be_bytes();
    // PUSH2 length DUP1 PUSH1 10 PUSH0 CODECOPY PUSH0 RETURN
    let mut code = vec![0x61, length[0], length[1], 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3];
    code.extend(runtime);
    code.into()
}

fn push(code: &mut Vec<u8>, random: &mut StdRng, arg: Arg, accounts: &[Address]) {
    let small = |code: &mut Vec<u8>, value: u64| push_word(code, U256::from(value));
    match arg {
        Place => small(code, random.random_range(0..300)),
        Length => small(code, random.random_range(0..140)),
        Slot => small(code, random.random_range(0..6)),
        Small => small(code, random.random_range(0..70)),
        Gas if random.random_bool(0.5) => code.push(0x5a),
        Gas => small(code, random.random_range(0..60_000)),
        Ether if random.random_bool(0.8) => small(code, 0),
        Ether => small(code, random.random_range(1..5)),
        Account => match random.random_range(0..8) {
            0 => code.push(0x30),                         // ADDRESS
            1 => code.push(0x33),                         // CALLER
            2 => small(code, random.random_range(0..12)), // precompiles and beside
            3 => push_word(code, random.random::<[u8; 32]>().into_word()),
            _ => {
                code.push(0x73);
                code.extend(accounts.choose(random).unwrap());
            }
        },
        Word => match random.random_range(0..6) {
            0 => small(code, 0),
            1 => push_word(code, U256::MAX),
            2 => push_word(code, U256::from(1) << random.random_range(0..256_usize)),
            3 => small(code, random.random()),
            4 => push_word(code, random.random::<[u8; 32]>().into_word()),
            _ => small(code, random.random_range(0..5)),
        },
    }
}

trait IntoWord {
    fn into_word(self) -> U256;
}

impl IntoWord for [u8; 32] {
    fn into_word(self) -> U256 {
        U256::from_be_bytes(self)
    }
}

fn push_word(code: &mut Vec<u8>, word: U256) {
    let bytes = word.to_be_bytes_trimmed_vec();
    code.push(0x5f + u8::try_from(bytes.len()).unwrap());
    code.extend(bytes);
}

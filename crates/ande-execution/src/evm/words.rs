//! Failures in geth's words: libraries and people look for these texts.

use alloy_primitives::{Address, B256};
use alloy_sol_types::{Panic, Revert, SolError as _};
use revm::{
    context::{BlockEnv, TxEnv},
    context_interface::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
};

use super::{CallError, ReadError, database::DatabaseError};

/// Longest decoded reason of a revert.
const MAX_REASON_BYTES: usize = 4096;

/// The output of a run, or why it has none.
pub(crate) fn output(result: ExecutionResult) -> Result<alloy_primitives::Bytes, CallError> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => {
            let reason = revert_reason(&output);
            Err(CallError::Reverted { output, reason })
        }
        ExecutionResult::Halt { reason, gas, .. } => {
            Err(CallError::Halted { reason: halt(&reason).into(), gas_used: gas.tx_gas_used() })
        }
    }
}

/// What a contract says about its revert: the text of `Error(string)`, or what `Panic(uint256)`
/// stands for.
pub(crate) fn revert_reason(output: &[u8]) -> Option<String> {
    if output.len() > MAX_REASON_BYTES {
        return None;
    }
    if let Ok(revert) = Revert::abi_decode(output) {
        return Some(revert.reason);
    }
    let panic = Panic::abi_decode(output).ok()?;
    let text = match u64::try_from(panic.code).unwrap_or(u64::MAX) {
        0x00 => "generic panic",
        0x01 => "assert(false)",
        0x11 => "arithmetic underflow or overflow",
        0x12 => "division or modulo by zero",
        0x21 => "enum overflow",
        0x22 => "invalid encoded storage byte array accessed",
        0x31 => "out-of-bounds array access; popping on an empty array",
        0x32 => "out-of-bounds access of an array or bytesN",
        0x41 => "out of memory",
        0x51 => "uninitialized function",
        _ => return Some(format!("unknown panic code: {:#x}", panic.code)),
    };
    Some(text.into())
}

/// Why code stopped without a result.
pub(crate) const fn halt(reason: &HaltReason) -> &'static str {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas",
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode",
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
        HaltReason::InvalidJump => "invalid jump destination",
        HaltReason::StackUnderflow => "stack underflow",
        HaltReason::StackOverflow => "stack limit reached 1024 (1023)",
        HaltReason::OutOfOffset => "return data out of bounds",
        HaltReason::CreateCollision => "contract address collision",
        HaltReason::PrecompileError | HaltReason::PrecompileErrorWithContext(_) => {
            "precompiled contract failed"
        }
        HaltReason::NonceOverflow => "nonce uint64 overflow",
        HaltReason::CreateContractSizeLimit => "max code size exceeded",
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection"
        }
        HaltReason::OutOfFunds | HaltReason::OverflowPayment => "insufficient balance for transfer",
        HaltReason::CallTooDeep => "max call depth exceeded",
    }
}

/// Why a message cannot run at all.
pub(crate) fn invalid(error: &InvalidTransaction, tx: &TxEnv, block: &BlockEnv) -> String {
    let from: Address = tx.caller;
    match error {
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => format!(
            "insufficient funds for gas * price + value: address {from} have {balance} want {fee}"
        ),
        InvalidTransaction::OverflowPaymentInTransaction => {
            format!(
                "insufficient funds for gas * price + value: address {from} required balance exceeds 256 bits"
            )
        }
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        InvalidTransaction::GasPriceLessThanBasefee => format!(
            "max fee per gas less than block base fee: address {from}, maxFeePerGas: {}, baseFee: {}",
            tx.gas_price, block.basefee
        ),
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => format!(
            "max priority fee per gas higher than max fee per gas: address {from}, \
             maxPriorityFeePerGas: {}, maxFeePerGas: {}",
            tx.gas_priority_fee.unwrap_or_default(),
            tx.gas_price
        ),
        InvalidTransaction::CreateInitCodeSizeLimit => {
            format!("max initcode size exceeded: code size {} limit 49152", tx.data.len())
        }
        InvalidTransaction::NonceOverflowInTransaction => {
            format!("nonce has max value: address {from}, nonce: {}", tx.nonce)
        }
        InvalidTransaction::Eip7702NotSupported | InvalidTransaction::Eip4844NotSupported => {
            "transaction type not supported".into()
        }
        other => other.to_string(),
    }
}

/// The EVM did not run a message.
pub(crate) fn evm_error(error: EVMError<DatabaseError>, tx: &TxEnv, block: &BlockEnv) -> CallError {
    match error {
        EVMError::Transaction(error) => CallError::Invalid(invalid(&error, tx, block)),
        EVMError::Database(error) => ReadError::State(error.to_string()).into(),
        error => CallError::Invalid(error.to_string()),
    }
}

/// A transaction of a block that does not run although the block was executed before.
pub(crate) fn not_repeatable(hash: &B256, error: &dyn std::fmt::Display) -> CallError {
    ReadError::State(format!("transaction {hash} cannot be executed again: {error}")).into()
}

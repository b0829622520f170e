//! The least gas that a message needs, found as geth finds it.

use revm::{
    DatabaseRef as _,
    context::TxEnv,
    context_interface::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
};

use super::{
    CallError, CallRequest, EvmReader, ReadError,
    call::{Message, allowance},
    words,
};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;

/// Gas that a call with value hands to the callee for free.
const CALL_STIPEND: u64 = 2_300;

/// The search ends when the bounds are this close to each other: 1.5 %, as in geth.
const CLOSE_ENOUGH_PER_MILLE: u128 = 15;

/// How a message did with a gas limit.
enum Trial {
    Done {
        gas_used: u64,
        refunded: u64,
    },
    /// More gas may help.
    TooLittle,
    Failed(CallError),
}

impl EvmReader {
    /// The least gas limit with which the message succeeds, up to 1.5 % above it.
    ///
    /// # Errors
    /// The message fails whatever its gas is, in geth's words, or the state cannot be read.
    pub fn estimate_gas(&self, request: CallRequest) -> Result<u64, CallError> {
        let cap = if request.gas_cap == 0 { u64::MAX } else { request.gas_cap };
        let asked = request.tx.gas.filter(|gas| *gas >= TRANSFER_GAS);
        let mut message = Message::new(&self.chain, request)?;
        let mut high = asked.unwrap_or(message.env.block_env.gas_limit);
        if message.tx.gas_price > 0 {
            high = high.min(allowance(&mut message.database, &message.tx)?);
        }
        high = high.min(cap);

        if message.is_plain_transfer()?
            && high >= TRANSFER_GAS
            && let Trial::Done { .. } = message.attempt(TRANSFER_GAS)?
        {
            return Ok(TRANSFER_GAS);
        }
        let (gas_used, refunded) = match message.attempt(high)? {
            Trial::Done { gas_used, refunded } => (gas_used, refunded),
            Trial::TooLittle => {
                return Err(CallError::Invalid(format!("gas required exceeds allowance ({high})")));
            }
            Trial::Failed(error) => return Err(error),
        };
        // The message needs at least what it used; usually only a little more, because a caller
        // keeps 1/64 back.
        let mut low = gas_used.saturating_sub(1);
        let guess = u128::from(gas_used + refunded + CALL_STIPEND) * 64 / 63;
        if let Ok(guess) = u64::try_from(guess)
            && guess < high
        {
            match message.attempt(guess)? {
                Trial::Done { .. } => high = guess,
                _ => low = guess,
            }
        }
        while low + 1 < high {
            if u128::from(high - low) * 1000 < u128::from(high) * CLOSE_ENOUGH_PER_MILLE {
                break;
            }
            // Most messages need little of what they may use: stay low.
            let middle = (low + (high - low) / 2).min(low.saturating_mul(2).max(low + 1));
            match message.attempt(middle)? {
                Trial::Done { .. } => high = middle,
                _ => low = middle,
            }
        }
        Ok(high)
    }
}

impl Message {
    fn is_plain_transfer(&self) -> Result<bool, CallError> {
        let Some(to) = self.tx.kind.to() else { return Ok(false) };
        if !self.tx.data.is_empty()
            || !self.tx.access_list.0.is_empty()
            || !self.tx.authorization_list.is_empty()
        {
            return Ok(false);
        }
        let account = self
            .database
            .basic_ref(*to)
            .map_err(|error| CallError::Read(ReadError::State(error.to_string())))?;
        Ok(account.is_none_or(|account| account.is_empty_code_hash()))
    }

    fn attempt(&mut self, gas_limit: u64) -> Result<Trial, CallError> {
        let tx = TxEnv { gas_limit, ..self.tx.clone() };
        match self.try_run(tx.clone()) {
            Ok(ExecutionResult::Success { gas, .. }) => {
                Ok(Trial::Done { gas_used: gas.tx_gas_used(), refunded: gas.final_refunded() })
            }
            Ok(ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. }) => {
                Ok(Trial::TooLittle)
            }
            Ok(result) => match words::output(result) {
                Err(error) => Ok(Trial::Failed(error)),
                Ok(_) => Ok(Trial::TooLittle),
            },
            Err(EVMError::Transaction(
                InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
                | InvalidTransaction::GasFloorMoreThanGasLimit { .. },
            )) => Ok(Trial::TooLittle),
            Err(error) => match words::evm_error(error, &tx, &self.env.block_env) {
                CallError::Invalid(text) => {
                    Err(CallError::Invalid(format!("failed with {gas_limit} gas: {text}")))
                }
                error => Err(error),
            },
        }
    }
}

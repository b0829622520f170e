//! Runs a message without changing anything.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy_consensus::Header;
use alloy_evm::{
    Evm as _, EvmEnv, EvmFactory as _,
    call::{CallError as AllowanceError, caller_gas_allowance},
    eth::EthEvmFactory,
    overrides::{apply_block_overrides, apply_state_overrides},
    rpc::TryIntoTxEnv as _,
};
use alloy_primitives::{B256, Bytes};
use revm::{
    context::TxEnv,
    context_interface::result::{EVMError, ExecutionResult},
    database::CacheDB,
};

use super::{
    CallError, CallRequest, EvmReader, ReadError,
    block::next_header,
    chain::{Chain, Tip},
    database::{DatabaseError, StateDatabase},
    spec::block_env,
    words,
};
use crate::{Attributes, state::StateView};

/// A state with the changes of a run on top.
pub(crate) type Overlay = CacheDB<StateDatabase<StateView>>;

/// A message that is ready to run.
pub(crate) struct Message {
    pub(crate) database: Overlay,
    pub(crate) env: EvmEnv,
    pub(crate) tx: TxEnv,
    /// The gas limit was not in the request.
    pub(crate) any_gas: bool,
}

impl EvmReader {
    /// Runs a message and returns its output.
    ///
    /// # Errors
    /// It reverted, failed, cannot run, or the state cannot be read.
    pub fn call(&self, request: CallRequest) -> Result<Bytes, CallError> {
        let mut message = Message::new(&self.chain, request)?;
        message.limit_to_allowance()?;
        let supplied = message.tx.gas_limit;
        let result = message.run(message.tx.clone()).map_err(|error| match error {
            CallError::Invalid(text) => {
                CallError::Invalid(format!("err: {text} (supplied gas {supplied})"))
            }
            error => error,
        })?;
        words::output(result)
    }
}

impl Message {
    /// Loads the state, applies the overrides and fills in what the request leaves open.
    pub(crate) fn new(chain: &Chain, request: CallRequest) -> Result<Self, CallError> {
        let (header, database) = if request.pending {
            let Tip { header, database, .. } = chain.at_head()?;
            (pending_header(&header), database)
        } else {
            let state = chain.state(request.at)?;
            ((*chain.header(request.at)?).clone(), chain.database(state))
        };
        let chain_id = chain.genesis.chain_id();
        if let Some(have) = request.tx.chain_id
            && have != chain_id
        {
            return Err(CallError::Invalid(format!(
                "chainId does not match node's (have={have}, want={chain_id})"
            )));
        }
        let mut env = block_env(&header, chain_id);
        let mut database = Overlay::new(database);
        if let Some(overrides) = request.block_overrides {
            apply_block_overrides(overrides, &mut database, &mut env.block_env);
        }
        if let Some(overrides) = request.state_overrides {
            apply_state_overrides(overrides, &mut database)
                .map_err(|error| CallError::Invalid(error.to_string()))?;
        }
        let any_gas = request.tx.gas.is_none();
        let mut tx = request
            .tx
            .try_into_tx_env(&env)
            .map_err(|error| CallError::Invalid(error.to_string()))?;
        let cap = if request.gas_cap == 0 { header.gas_limit } else { request.gas_cap };
        tx.gas_limit = if any_gas { cap } else { tx.gas_limit.min(cap) };

        // A question is no transaction: it has no nonce, may come from a contract, and may use
        // more gas than a block has.
        env.cfg_env.disable_nonce_check = true;
        env.cfg_env.disable_eip3607 = true;
        env.cfg_env.disable_block_gas_limit = true;
        env.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
        if tx.gas_price == 0 {
            // As in geth: who offers no price is not asked for the base fee and does not see it.
            env.block_env.basefee = 0;
        }
        Ok(Self { database, env, tx, any_gas })
    }

    /// Without a gas limit in the request, it is what the sender can pay for.
    pub(crate) fn limit_to_allowance(&mut self) -> Result<(), CallError> {
        if self.any_gas && self.tx.gas_price > 0 {
            let allowance = allowance(&mut self.database, &self.tx)?;
            self.tx.gas_limit = self.tx.gas_limit.min(allowance);
        }
        Ok(())
    }

    /// Runs a transaction on the state and forgets what it changed.
    pub(crate) fn run(&mut self, tx: TxEnv) -> Result<ExecutionResult, CallError> {
        self.try_run(tx.clone()).map_err(|error| words::evm_error(error, &tx, &self.env.block_env))
    }

    /// As [`run`](Self::run), with the EVM's own error.
    pub(crate) fn try_run(
        &mut self,
        tx: TxEnv,
    ) -> Result<ExecutionResult, EVMError<DatabaseError>> {
        let mut evm = EthEvmFactory::default().create_evm(&mut self.database, self.env.clone());
        Ok(evm.transact(tx)?.result)
    }
}

/// Gas that the sender can pay for after the value.
pub(crate) fn allowance(database: &mut Overlay, tx: &TxEnv) -> Result<u64, CallError> {
    caller_gas_allowance(database, tx).map_err(|error| match error {
        AllowanceError::Database(error) => ReadError::State(error.to_string()).into(),
        AllowanceError::InsufficientFunds(_) => {
            CallError::Invalid("insufficient funds for transfer".into())
        }
    })
}

/// The header that the next block has if it is built now by the last proposer.
fn pending_header(head: &Header) -> Header {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    next_header(
        head,
        &Attributes {
            number: head.number + 1,
            timestamp_ms: now.max(head.timestamp).saturating_mul(1000),
            fee_recipient: head.beneficiary,
            parent_execution_hash: head.hash_slow(),
            parent_consensus_hash: B256::ZERO,
        },
    )
}

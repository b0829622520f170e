//! The access list that a message would need.

use alloy_eips::eip2930::AccessListResult;
use alloy_evm::{Evm as _, EvmFactory as _, eth::EthEvmFactory};
use alloy_primitives::U256;
use revm::context_interface::result::ExecutionResult;
use revm_inspectors::access_list::AccessListInspector;

use super::{CallError, CallRequest, EvmReader, call::Message, words};

/// Most runs. A list that still grows then belongs to code that looks at its own gas.
const MAX_ROUNDS: usize = 16;

impl EvmReader {
    /// The accounts and slots that the message touches, and its gas with them in its access list.
    ///
    /// # Errors
    /// The message cannot run or the state cannot be read. A message that fails is no error: the
    /// result says so.
    pub fn create_access_list(&self, request: CallRequest) -> Result<AccessListResult, CallError> {
        let mut message = Message::new(&self.chain, request)?;
        message.limit_to_allowance()?;
        let mut list = message.tx.access_list.clone();
        for _ in 0..MAX_ROUNDS {
            let mut tx = message.tx.clone();
            tx.access_list = list.clone();
            // A list makes a legacy message one with a list.
            tx.tx_type = tx.tx_type.max(1);
            let mut evm = EthEvmFactory::default().create_evm_with_inspector(
                &mut message.database,
                message.env.clone(),
                AccessListInspector::new(list.clone()),
            );
            let result = evm
                .transact(tx.clone())
                .map_err(|error| words::evm_error(error, &tx, &message.env.block_env))?
                .result;
            let found = evm.into_inner().inspector.into_access_list();
            if found == list {
                return Ok(outcome(found, result));
            }
            list = found;
        }
        Err(CallError::Invalid("the access list depends on itself".into()))
    }
}

fn outcome(
    access_list: alloy_eips::eip2930::AccessList,
    result: ExecutionResult,
) -> AccessListResult {
    let gas_used = U256::from(result.tx_gas_used());
    let error = words::output(result).err().map(|error| error.to_string());
    AccessListResult { access_list, gas_used, error }
}

//! The table of methods of a listener.

use std::{collections::HashSet, future::Future, sync::Arc};

use jsonrpsee::{RpcModule, server::RegisterMethodError, types::ErrorObjectOwned};
use serde::Serialize;

use crate::{
    Namespace, RpcError, admin, ande, args::Args, context::Context, debug, eth, execution, fees,
    filters, forced, logs, receipts, state, submit, subscriptions, txpool,
};

/// Opens a subscription.
pub(crate) const SUBSCRIBE: &str = "eth_subscribe";
/// Ends one.
pub(crate) const UNSUBSCRIBE: &str = "eth_unsubscribe";
/// Answers only when a block came.
pub(crate) const WAITING: &str = "eth_sendRawTransactionSync";

/// The methods of one listener.
pub(crate) struct Table {
    pub(crate) module: RpcModule<Context>,
    pub(crate) names: HashSet<&'static str>,
    context: Arc<Context>,
}

impl Table {
    /// What the context's namespaces and executor allow.
    pub(crate) fn new(context: Arc<Context>) -> Result<Self, RegisterMethodError> {
        let module = RpcModule::from_arc(context.clone());
        let mut table = Self { module, names: HashSet::new(), context };
        table.chain()?;
        table.transactions()?;
        table.filters()?;
        table.node()?;
        if table.context.services.evm.is_some() {
            table.state()?;
            table.debug()?;
        }
        Ok(table)
    }

    fn chain(&mut self) -> Result<(), RegisterMethodError> {
        self.add("eth_chainId", 0, eth::chain_id)?;
        self.add("eth_blockNumber", 0, eth::block_number)?;
        self.add("eth_syncing", 0, eth::syncing)?;
        self.add("eth_accounts", 0, eth::accounts)?;
        self.add("eth_getBlockByNumber", 2, eth::get_block_by_number)?;
        self.add("eth_getBlockByHash", 2, eth::get_block_by_hash)?;
        self.add("eth_getBlockTransactionCountByHash", 1, eth::get_transaction_count_by_hash)?;
        self.add("eth_getBlockTransactionCountByNumber", 1, eth::get_transaction_count_by_number)?;
        self.add("eth_getUncleCountByBlockHash", 1, eth::get_uncle_count_by_hash)?;
        self.add("eth_getUncleCountByBlockNumber", 1, eth::get_uncle_count_by_number)?;
        self.add("eth_getUncleByBlockHashAndIndex", 2, eth::get_uncle_by_hash)?;
        self.add("eth_getUncleByBlockNumberAndIndex", 2, eth::get_uncle_by_number)
    }

    fn transactions(&mut self) -> Result<(), RegisterMethodError> {
        self.add("eth_sendRawTransaction", 1, submit::send_raw_transaction)?;
        self.add("eth_getTransactionByHash", 1, eth::get_transaction_by_hash)?;
        self.add("eth_getRawTransactionByHash", 1, eth::get_raw_transaction)?;
        self.add("eth_getTransactionByBlockHashAndIndex", 2, eth::get_transaction_by_block_hash)?;
        self.add(
            "eth_getTransactionByBlockNumberAndIndex",
            2,
            eth::get_transaction_by_block_number,
        )?;
        self.add("txpool_status", 0, txpool::status)?;
        self.add("txpool_content", 0, txpool::content)?;
        self.add("txpool_contentFrom", 1, txpool::content_from)?;
        self.add("txpool_inspect", 0, txpool::inspect)
    }

    fn filters(&mut self) -> Result<(), RegisterMethodError> {
        self.add("eth_newBlockFilter", 0, filters::new_block_filter)?;
        self.add("eth_newPendingTransactionFilter", 1, filters::new_pending_transaction_filter)?;
        self.add("eth_getFilterChanges", 1, filters::get_filter_changes)?;
        self.add("eth_uninstallFilter", 1, filters::uninstall_filter)?;
        if self.serves(SUBSCRIBE) {
            self.names.extend([SUBSCRIBE, UNSUBSCRIBE]);
            self.module.register_subscription(
                SUBSCRIBE,
                "eth_subscription",
                UNSUBSCRIBE,
                |params, pending, context, _| subscriptions::subscribe(params, pending, context),
            )?;
        }
        Ok(())
    }

    fn node(&mut self) -> Result<(), RegisterMethodError> {
        self.add("net_version", 0, eth::net_version)?;
        self.add("net_listening", 0, eth::net_listening)?;
        self.add("net_peerCount", 0, eth::net_peer_count)?;
        self.add("web3_clientVersion", 0, eth::client_version)?;
        self.add("web3_sha3", 1, eth::sha3)?;
        self.add("rpc_modules", 0, eth::rpc_modules)?;
        self.add("ande_status", 0, ande::status)?;
        self.add("ande_getCertificate", 1, ande::get_certificate)?;
        self.add("ande_getValidators", 1, ande::get_validators)?;
        self.add("ande_getSchedule", 2, ande::get_schedule)?;
        self.add("ande_getBatch", 1, ande::get_batch)?;
        self.add("ande_getBatches", 2, ande::get_batches)?;
        self.add("ande_getTransactionProof", 1, ande::get_transaction_proof)?;
        self.add("ande_forcedTransaction", 1, forced::forced_transaction)?;
        self.add("admin_nodeInfo", 0, admin::node_info)?;
        self.add("admin_peers", 0, admin::peers)?;
        self.add("admin_drain", 0, admin::drain)
    }

    fn state(&mut self) -> Result<(), RegisterMethodError> {
        self.add("eth_getBalance", 2, state::get_balance)?;
        self.add("eth_getTransactionCount", 2, state::get_transaction_count)?;
        self.add("eth_getCode", 2, state::get_code)?;
        self.add("eth_getStorageAt", 3, state::get_storage_at)?;
        self.add("eth_getProof", 3, state::get_proof)?;
        self.add("eth_call", 4, execution::call)?;
        self.add("eth_estimateGas", 4, execution::estimate_gas)?;
        self.add("eth_createAccessList", 3, execution::create_access_list)?;
        self.add("eth_gasPrice", 0, fees::gas_price)?;
        self.add("eth_maxPriorityFeePerGas", 0, fees::max_priority_fee)?;
        self.add("eth_feeHistory", 3, fees::fee_history)?;
        self.add("eth_blobBaseFee", 0, fees::blob_base_fee)?;
        self.add("eth_getTransactionReceipt", 1, receipts::get_transaction_receipt)?;
        self.add("eth_getBlockReceipts", 1, receipts::get_block_receipts)?;
        self.add("eth_getLogs", 1, logs::get_logs)?;
        self.add("eth_newFilter", 1, filters::new_filter)?;
        self.add("eth_getFilterLogs", 1, filters::get_filter_logs)?;
        self.add(WAITING, 2, submit::send_raw_transaction_sync)
    }

    fn debug(&mut self) -> Result<(), RegisterMethodError> {
        self.add("debug_traceTransaction", 2, debug::trace_transaction)?;
        self.add("debug_traceCall", 3, debug::trace_call)?;
        self.add("debug_traceBlockByNumber", 2, debug::trace_block_by_number)?;
        self.add("debug_traceBlockByHash", 2, debug::trace_block_by_hash)?;
        self.add("debug_getRawTransaction", 1, eth::get_raw_transaction)?;
        self.add("debug_getRawHeader", 1, debug::get_raw_header)?;
        self.add("debug_getRawBlock", 1, debug::get_raw_block)?;
        self.add("debug_getRawReceipts", 1, debug::get_raw_receipts)
    }

    fn serves(&self, name: &str) -> bool {
        Namespace::of(name).is_none_or(|namespace| self.context.namespaces.contains(&namespace))
    }

    fn add<F, Fut, T>(
        &mut self,
        name: &'static str,
        most_args: usize,
        call: F,
    ) -> Result<(), RegisterMethodError>
    where
        F: Fn(Arc<Context>, Args) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<T, RpcError>> + Send + 'static,
        T: Serialize + Clone + Send + 'static,
    {
        if !self.serves(name) {
            return Ok(());
        }
        self.names.insert(name);
        self.module
            .register_async_method(name, move |params, context, _| {
                let args = Args::parse(&params, most_args);
                let call = call.clone();
                async move { Ok::<_, ErrorObjectOwned>(call(context, args?).await?) }
            })
            .map(|_| ())
    }
}

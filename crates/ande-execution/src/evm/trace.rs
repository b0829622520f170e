//! What transactions and messages do, step by step, with geth's tracers.

use alloy_consensus::Header;
use alloy_evm::{
    Evm as _, EvmFactory as _, IntoTxEnv as _, block::SystemCaller, eth::EthEvmFactory,
};
use alloy_primitives::Bytes;
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace, TraceResult};
use revm::{
    DatabaseCommit as _, Inspector,
    context::TxEnv,
    context_interface::{ContextTr, context::ContextError},
    interpreter::{Interpreter, interpreter_types::LoopControl as _},
};
use revm_inspectors::tracing::{DebugInspector, TraceLimits, TransactionContext};

use super::{
    CallError, CallRequest, EvmReader, ReadError,
    call::{Message, Overlay},
    senders::{Candidate, NoSenders, candidates},
    spec::{CancunSpec, block_env},
    words,
};

/// Most memory that the steps of one answer may take, in bytes.
const MAX_TRACE_BYTES: usize = 256 << 20;

/// Memory of a recorded step without its stack and memory.
const STEP_BYTES: usize = 320;

impl EvmReader {
    /// Runs a message under a tracer.
    ///
    /// # Errors
    /// The tracer is unknown, the message cannot run, the trace is too large or the state cannot be
    /// read. A message that fails is no error: the trace says so.
    pub fn trace_call(
        &self,
        request: CallRequest,
        options: GethDebugTracingOptions,
    ) -> Result<GethTrace, CallError> {
        let mut message = Message::new(&self.chain, request)?;
        message.limit_to_allowance()?;
        let mut tracer = Tracer::new(options)?;
        let (tx, env) = (message.tx, message.env);
        tracer.run(&mut message.database, env, tx, None, false).map_err(|error| match error {
            CallError::Invalid(text) => CallError::Invalid(format!("tracing failed: {text}")),
            error => error,
        })
    }

    /// Runs the transactions of a block again under a tracer: all of them, or `only` one.
    ///
    /// # Errors
    /// The tracer is unknown, `only` is not in the block, a trace is too large, or the state before
    /// the block cannot be read.
    pub fn trace_block(
        &self,
        header: &Header,
        transactions: &[Bytes],
        only: Option<usize>,
        options: GethDebugTracingOptions,
    ) -> Result<Vec<TraceResult>, CallError> {
        let Some(before) = header.number.checked_sub(1) else {
            return Err(CallError::Invalid("genesis is not traceable".into()));
        };
        if only.is_some_and(|index| index >= transactions.len()) {
            return Err(CallError::Invalid("transaction not found".into()));
        }
        let last = only.map_or(transactions.len(), |index| index + 1);
        let all = candidates(transactions[..last].to_vec(), &NoSenders);
        let block_hash = header.hash_slow();
        let env = block_env(header, self.chain_id());
        let mut database = Overlay::new(self.chain.database(self.chain.state(before)?));
        self.prepare_block(header, &mut database)?;
        let mut tracer = Tracer::new(options)?;
        let mut traces = Vec::new();
        for (index, candidate) in all.into_iter().enumerate() {
            let Candidate { hash, tx, .. } =
                candidate.map_err(|(hash, reason)| words::not_repeatable(&hash, &reason))?;
            let tx: TxEnv = (&tx).into_tx_env();
            if only.is_some_and(|only| only != index) {
                let mut evm = EthEvmFactory::default().create_evm(&mut database, env.clone());
                let done = evm.transact(tx);
                let done = done.map_err(|error| words::not_repeatable(&hash, &error))?;
                evm.db_mut().commit(done.state);
                continue;
            }
            let context = TransactionContext {
                block_hash: Some(block_hash),
                tx_index: Some(index),
                tx_hash: Some(hash),
            };
            let result = tracer.run(&mut database, env.clone(), tx, Some(context), true)?;
            traces.push(TraceResult::Success { result, tx_hash: Some(hash) });
        }
        Ok(traces)
    }

    /// What happens before the first transaction: the EIP-4788 call.
    fn prepare_block(&self, header: &Header, database: &mut Overlay) -> Result<(), CallError> {
        let env = block_env(header, self.chain_id());
        let mut evm = EthEvmFactory::default().create_evm(database, env);
        SystemCaller::new(CancunSpec)
            .apply_beacon_root_contract_call(header.parent_beacon_block_root, &mut evm)
            .map_err(|error| CallError::Read(ReadError::State(error.to_string())))
    }
}

/// A tracer with the memory that it may still take.
struct Tracer {
    options: GethDebugTracingOptions,
    left: usize,
}

impl Tracer {
    fn new(options: GethDebugTracingOptions) -> Result<Self, CallError> {
        inspector(&options, 0)?;
        Ok(Self { options, left: MAX_TRACE_BYTES })
    }

    fn run(
        &mut self,
        database: &mut Overlay,
        env: alloy_evm::EvmEnv,
        tx: TxEnv,
        context: Option<TransactionContext>,
        commit: bool,
    ) -> Result<GethTrace, CallError> {
        let block = env.block_env.clone();
        let inspector =
            (inspector(&self.options, self.left)?, Budget::new(&self.options, self.left));
        let mut evm =
            EthEvmFactory::default().create_evm_with_inspector(&mut *database, env, inspector);
        let done = evm.transact(tx.clone());
        let (mut inspector, budget) = evm.into_inner().inspector;
        self.left = budget.left;
        let done = done.map_err(|error| words::evm_error(error, &tx, &block))?;
        let trace = inspector
            .get_result(context, &tx, &block, &done, database)
            .map_err(|error| CallError::Invalid(error.to_string()))?;
        if commit {
            database.commit(done.state);
        }
        Ok(trace)
    }
}

/// The inspector of a tracer, with a limit on the inputs, outputs and memory that it copies.
fn inspector(options: &GethDebugTracingOptions, limit: usize) -> Result<DebugInspector, CallError> {
    let limits = TraceLimits::default()
        .set_max_recorded_bytes(Some(limit))
        .set_behavior(revm_inspectors::tracing::TraceLimitBehavior::Halt);
    let inspector = DebugInspector::new(options.clone())
        .map_err(|error| CallError::Invalid(error.to_string()))?;
    Ok(match inspector {
        DebugInspector::CallTracer(inner, config) => {
            DebugInspector::CallTracer(inner.with_limits(limits), config)
        }
        DebugInspector::PreStateTracer(inner, config) => {
            DebugInspector::PreStateTracer(inner.with_limits(limits), config)
        }
        DebugInspector::FlatCallTracer(inner) => {
            DebugInspector::FlatCallTracer(inner.with_limits(limits))
        }
        DebugInspector::Erc7562Tracer(inner, config) => {
            DebugInspector::Erc7562Tracer(inner.with_limits(limits), config)
        }
        DebugInspector::Default(inner, config) => {
            DebugInspector::Default(inner.with_limits(limits), config)
        }
        other => other,
    })
}

/// Ends the execution when the recorded steps would take too much memory.
#[derive(Debug)]
struct Budget {
    counts: bool,
    stack: bool,
    memory: bool,
    left: usize,
}

impl Budget {
    fn new(options: &GethDebugTracingOptions, left: usize) -> Self {
        use alloy_rpc_types_trace::geth::{
            GethDebugBuiltInTracerType as Kind, GethDebugTracerType,
        };
        let counts = match &options.tracer {
            None => true,
            Some(tracer) if tracer.as_str().is_empty() => true,
            Some(GethDebugTracerType::BuiltInTracer(kind)) => {
                matches!(kind, Kind::MuxTracer | Kind::Erc7562Tracer)
            }
            Some(_) => true,
        };
        let config = &options.config;
        Self { counts, stack: config.is_stack_enabled(), memory: config.is_memory_enabled(), left }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Budget {
    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        if !self.counts {
            return;
        }
        let mut cost = STEP_BYTES;
        if self.stack {
            cost += 32 * interp.stack.len();
        }
        if self.memory {
            cost += interp.memory.len();
        }
        match self.left.checked_sub(cost) {
            Some(left) => self.left = left,
            None => {
                if context.error().is_ok() {
                    *context.error() = Err(ContextError::Custom(format!(
                        "the trace exceeds {} MiB",
                        MAX_TRACE_BYTES >> 20
                    )));
                }
                interp.bytecode.action().take();
                interp.bytecode.reset_action();
                interp.halt_fatal();
            }
        }
    }
}

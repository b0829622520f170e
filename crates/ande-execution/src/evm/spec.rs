//! Which Ethereum this is: Cancun from the first block, and nothing later.

use alloy_consensus::Header;
use alloy_eips::{eip1559::BaseFeeParams, eip7840::BlobParams};
use alloy_evm::{EvmEnv, eth::spec::EthExecutorSpec};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::Address;

/// The forks of every chain of this kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CancunSpec;

impl EthereumHardforks for CancunSpec {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        match fork {
            // The irregular state change of 2016 is of one chain only.
            EthereumHardfork::Dao => ForkCondition::Never,
            fork if fork > EthereumHardfork::Cancun => ForkCondition::Never,
            fork if fork >= EthereumHardfork::Shanghai => ForkCondition::Timestamp(0),
            _ => ForkCondition::Block(0),
        }
    }
}

impl EthExecutorSpec for CancunSpec {
    fn deposit_contract_address(&self) -> Option<Address> {
        None
    }
}

/// The environment that the transactions of a block run in. Only the fields that are known before
/// they run are read from `header`.
pub(crate) fn block_env(header: &Header, chain_id: u64) -> EvmEnv {
    EvmEnv::for_eth_block(header, CancunSpec, chain_id, Some(BlobParams::cancun()))
}

/// Base fee of the block after `parent`, by EIP-1559 with Ethereum's parameters.
pub(crate) fn next_base_fee(parent: &Header) -> u64 {
    BaseFeeParams::ethereum().next_block_base_fee(
        parent.gas_used,
        parent.gas_limit,
        parent.base_fee_per_gas.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_after_cancun_is_active() {
        assert!(CancunSpec.is_cancun_active_at_timestamp(0));
        assert!(CancunSpec.is_shanghai_active_at_timestamp(0));
        assert!(CancunSpec.is_paris_active_at_block(0));
        assert!(!CancunSpec.is_prague_active_at_timestamp(u64::MAX));
        assert!(!CancunSpec.is_osaka_active_at_timestamp(u64::MAX));
        assert!(!CancunSpec.is_amsterdam_active_at_timestamp(u64::MAX));
    }

    #[test]
    fn the_base_fee_moves_by_an_eighth_at_most() {
        let parent = |gas_used| Header {
            gas_limit: 30_000_000,
            gas_used,
            base_fee_per_gas: Some(1_000_000_000),
            ..Header::default()
        };
        assert_eq!(next_base_fee(&parent(15_000_000)), 1_000_000_000);
        assert_eq!(next_base_fee(&parent(30_000_000)), 1_125_000_000);
        assert_eq!(next_base_fee(&parent(0)), 875_000_000);
    }
}

//! What `sol!` makes of the committed ABI files. Written by `cargo xtask gen`, never by hand.
//!
//! One module per contract: every contract repeats the structs it uses.

macro_rules! binding {
    ($module:ident, $contract:ident, $path:literal) => {
        /// Bindings of one contract.
        #[allow(
            missing_docs,
            missing_debug_implementations,
            unreachable_pub,
            clippy::all,
            clippy::pedantic,
            clippy::expect_used,
            clippy::unwrap_used,
            clippy::panic
        )]
        pub mod $module {
            alloy::sol!(
                #[sol(rpc, all_derives)]
                $contract,
                $path
            );
        }
    };
}

binding!(token, AndeToken, "abi/AndeToken.json");
binding!(consensus, AndeConsensus, "abi/AndeConsensus.json");
binding!(coordinator, AndeSequencerCoordinator, "abi/AndeSequencerCoordinator.json");
binding!(verifier, EcdsaQuorumVerifier, "abi/EcdsaQuorumVerifier.json");

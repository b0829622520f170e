//! Bindings of the settlement contracts, made from the committed ABI.
//!
//! The files in `abi/` are written by `cargo xtask gen` from `contracts/src` and checked in CI, so
//! this crate needs no Solidity compiler. Besides the bindings there are conversions to and from
//! the nouns of `ande-primitives` and a typed form of everything the contracts revert with.

mod bindings;
mod convert;
mod error;

pub use bindings::{
    consensus::{self, AndeConsensus},
    coordinator::{self, AndeSequencerCoordinator},
    token::{self, AndeToken},
    verifier::{self, EcdsaQuorumVerifier},
};
pub use convert::{
    ConvertError, batch_header_from_sol, batch_header_to_sol, checkpoint_to_sol, committee,
    da_pointer_from_sol, da_pointer_to_sol, member, quorum_certificate_from_sol,
    quorum_certificate_to_sol, quorum_fraction, schedule_rules, vote_to_sol,
};
pub use error::{ContractError, Reverted};

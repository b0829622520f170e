//! Bindings of the settlement contracts, made from the committed ABI

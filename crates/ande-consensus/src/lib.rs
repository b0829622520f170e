//! The seam between ordering engines and the chain, with its conformance suite

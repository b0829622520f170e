//! Runs one ordering engine over the chain

//! Blocks to batch bytes and back

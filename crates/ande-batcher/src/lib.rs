//! Cuts, certifies, posts and reconciles batches

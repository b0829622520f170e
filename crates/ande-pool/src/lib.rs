//! Bounded transaction pool

//! Tracing set-up and the single table of metric names

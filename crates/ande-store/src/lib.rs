//! Everything durable but the engines' own logs

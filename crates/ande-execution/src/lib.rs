//! Executors behind one trait

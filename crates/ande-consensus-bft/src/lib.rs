//! Byzantine fault tolerant ordering engine on Malachite

//! Settlement chain: finalized head, set reader and transaction manager

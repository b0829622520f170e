//! How the execution client is doing, for those who watch the node.

/// What the last conversation with the client showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientHealth {
    /// It was not asked yet.
    #[default]
    Starting,
    /// It does what it is asked.
    Up,
    /// It gives no verdicts, for the reason given: this node neither proposes nor votes.
    Down(String),
    /// It refuses a block that executes here: this node does not vote for it.
    Disagrees(String),
}

/// State and history of the client as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientStatus {
    /// What the last conversation showed.
    pub health: ClientHealth,
    /// Its head as far as it is known.
    pub head: u64,
    /// Stored blocks that it was given because it lacked them.
    pub fed: u64,
    /// Conversations that ended without what was asked for.
    pub failures: u64,
}

//! Who leaves a full pool.

use alloy_primitives::B256;

use crate::{
    Pool, PoolError, PooledTransaction,
    queue::{Entry, Queue, Standing},
};

impl Pool {
    /// Evicts less deserving transactions of other senders until the new one fits; all or none.
    pub(crate) fn make_room(
        &mut self,
        tx: &PooledTransaction,
        standing: Standing,
    ) -> Result<Vec<Entry>, PoolError> {
        let mut victims = Vec::new();
        while self.len() >= self.limits.max_transactions
            || self.bytes.saturating_add(tx.size()) > self.limits.max_bytes
        {
            match self.least_deserving_other(tx, standing) {
                Ok(hash) => victims.extend(self.unlink(&hash)),
                Err(error) => {
                    victims.into_iter().rev().for_each(|victim| self.link(victim));
                    return Err(error);
                }
            }
        }
        Ok(victims)
    }

    fn least_deserving_other(
        &self,
        tx: &PooledTransaction,
        standing: Standing,
    ) -> Result<B256, PoolError> {
        let (tip, sender) = (tx.max_priority_fee_per_gas(), tx.sender());
        let (lowest_standing, lowest, _, victim) =
            self.tails.iter().find(|(.., victim)| *victim != sender).ok_or(PoolError::Full)?;
        if (*lowest_standing, *lowest) >= (standing, tip) {
            return Err(if *lowest_standing == standing && *lowest > tip {
                PoolError::Underpriced { tip, needed: lowest.saturating_add(1) }
            } else {
                PoolError::Full
            });
        }
        self.by_sender
            .get(victim)
            .and_then(Queue::tail)
            .map(|tail| tail.tx.hash())
            .ok_or(PoolError::Full)
    }
}

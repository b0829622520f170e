//! The head of the chain as a majority of the endpoints has it.

use alloy::eips::BlockNumberOrTag;

use crate::{
    L1Block, L1Error,
    endpoints::Endpoints,
    quorum::{agreed, candidates, largest, standing},
};

const METHOD: &str = "eth_getBlockByNumber";

impl Endpoints {
    /// The highest block that a majority has at or below its `tag` block, with one hash. Endpoints
    /// that are ahead are asked for their block of that number.
    pub(crate) async fn head(&self, tag: BlockNumberOrTag) -> Result<Option<L1Block>, L1Error> {
        let all: Vec<usize> = (0..self.count()).collect();
        let mut heads: Vec<Option<L1Block>> = Vec::new();
        let mut failures = Vec::new();
        let mut empty = 0;
        for answer in self.gather::<_, Option<L1Block>>(&all, METHOD, &(tag, false)).await {
            heads.push(match answer {
                Some(Ok(head)) => {
                    empty += usize::from(head.is_none());
                    head
                }
                Some(Err(error)) => {
                    failures.push(error);
                    None
                }
                None => None,
            });
        }
        if empty >= self.needed() {
            return Ok(None);
        }
        for number in candidates(&heads, self.needed()) {
            let there = self.at(number, &heads).await;
            let Some(block) = agreed(there.iter().map(Option::as_ref), self.needed())
                .and_then(|place| there.get(place).copied().flatten())
            else {
                continue;
            };
            if tag == BlockNumberOrTag::Latest {
                for (index, (head, there)) in heads.iter().zip(&there).enumerate() {
                    self.set_standing(index, standing(&block, head.as_ref(), there.as_ref()));
                }
            }
            return Ok(Some(block));
        }
        Err(self.failure(METHOD, failures, largest(heads.iter().map(Option::as_ref))))
    }

    /// The blocks of this number, of the endpoints whose head is not below it.
    async fn at(&self, number: u64, heads: &[Option<L1Block>]) -> Vec<Option<L1Block>> {
        let is_above = |head: &Option<L1Block>| head.is_some_and(|head| head.number > number);
        let above: Vec<usize> =
            heads.iter().enumerate().filter(|(_, head)| is_above(head)).map(|(i, _)| i).collect();
        let mut there: Vec<Option<L1Block>> =
            heads.iter().map(|head| head.filter(|head| head.number == number)).collect();
        if above.is_empty() {
            return there;
        }
        let params = (BlockNumberOrTag::Number(number), false);
        let answers = self.gather::<_, Option<L1Block>>(&above, METHOD, &params).await;
        for (place, answer) in there.iter_mut().zip(answers) {
            if let Some(Ok(block)) = answer {
                // What it calls by this number is not to be believed either.
                *place = block.filter(|block| block.number == number);
            }
        }
        there
    }
}

//! Built bytes decode to the blocks they were built from.

use alloy_primitives::{Address, B256, b256, keccak256};
use ande_batch::{
    BatchContent, BatchError, BatchLimits, BatchTip, ContentError, ExecutionRoots, build, decode,
    encode,
};
use ande_primitives::{DaPointer, Height, Term, Window, decode_skip_records, inclusion_root};
use proptest::{collection::vec, prelude::*};

use crate::chain::{self, Recipe, certify, chain, content, genesis, set};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn encode_then_decode_is_the_same_content(recipes in vec(chain::recipe(), 1..20)) {
        let content = content(&chain(&recipes));
        let data = encode(&content).unwrap();
        prop_assert_eq!(decode(&data).unwrap(), content.clone());
        prop_assert_eq!(encode(&content).unwrap(), data, "not deterministic");
    }

    #[test]
    fn a_built_batch_decodes_to_its_blocks(recipes in vec(chain::recipe(), 1..40)) {
        let commits = chain(&recipes);
        let built = build(
            &genesis(), &commits, &set(0), Address::repeat_byte(7), &BatchLimits::default(),
        ).unwrap();
        let content = decode(&built.data).unwrap();
        prop_assert_eq!(&content.blocks.len(), &commits.len());
        for (block, commit) in content.blocks.iter().zip(&commits) {
            prop_assert_eq!(block, &commit.block);
        }
        prop_assert_eq!(&content.certificate, &commits.last().unwrap().certificate);

        let last = &commits.last().unwrap().block.header;
        let hashes: Vec<B256> = commits
            .iter()
            .flat_map(|commit| commit.block.transactions.iter().map(keccak256))
            .collect();
        let header = built.header;
        prop_assert_eq!(header.start_height, Height(1));
        prop_assert_eq!(header.end_height, last.height);
        prop_assert_eq!((header.era, header.epoch), (last.era, last.epoch));
        prop_assert_eq!(header.batch_index, 1);
        prop_assert_eq!(header.parent_batch_hash, genesis().hash);
        prop_assert_eq!(header.last_block_hash, last.hash());
        prop_assert_eq!(header.state_root, chain::state_root(last.height.0));
        prop_assert_eq!(header.tx_count as usize, hashes.len());
        prop_assert_eq!(header.tx_root, inclusion_root(&hashes));
        prop_assert_eq!(header.forced_up_to, last.forced_up_to);
        prop_assert_eq!(header.forced_acc, last.forced_acc);
        prop_assert_eq!(header.fee_recipient, Address::repeat_byte(7));
        prop_assert_eq!(header.skips_hash, keccak256(&built.skips));
        let window = Window(last.height.0 / u64::from(chain::INTERVAL));
        prop_assert_eq!(header.term, Term::new(window, last.skip));
        prop_assert_eq!(built.da, DaPointer::calldata(&built.data));
    }

    /// The skip records of all batches together: per window, the highest reported skip is that of
    /// its last block, each record goes beyond the one before, and nothing else is there.
    #[test]
    fn skip_records_report_every_skip_once(
        recipes in vec(chain::recipe(), 1..60), max_blocks in 1usize..12,
    ) {
        let commits = chain::chain_certified(&recipes, |_| false);
        let limits = BatchLimits { max_blocks, ..BatchLimits::default() };
        let (mut tip, mut from) = (genesis(), 0);
        let mut reported: Vec<(u64, u32)> = Vec::new();
        while from < commits.len() {
            let built =
                build(&tip, &commits[from..], &set(0), Address::ZERO, &limits).unwrap();
            for record in decode_skip_records(&built.skips).unwrap() {
                let (window, skip) = (record.window.0, record.skip.0);
                if let Some(last) = reported.last_mut().filter(|last| last.0 == window) {
                    prop_assert!(skip > last.1, "window {} reported twice", window);
                    last.1 = skip;
                } else {
                    prop_assert!(reported.last().is_none_or(|last| last.0 < window));
                    reported.push((window, skip));
                }
            }
            from = built.header.end_height.0 as usize;
            tip = BatchTip::from(&built.header);
        }
        let mut expected: Vec<(u64, u32)> = Vec::new();
        for header in commits.iter().map(|commit| &commit.block.header) {
            let window = header.height.0 / u64::from(chain::INTERVAL);
            if header.skip.0 > 0 {
                expected.retain(|record| record.0 != window);
                expected.push((window, header.skip.0));
            }
        }
        prop_assert_eq!(reported, expected);
    }
}

#[test]
fn the_data_of_repetitive_blocks_is_small() {
    let commits = chain(&vec![Recipe::default(); 50]);
    let data = encode(&content(&commits)).unwrap();
    let raw: usize = commits.iter().map(|c| c.block.execution.len()).sum();
    assert!(data.len() < raw / 2, "{} bytes for {raw} bytes of headers", data.len());
}

#[test]
fn contents_that_contradict_themselves_have_no_bytes() {
    let commits = chain(&vec![Recipe { pause_ms: 10, ..Recipe::default() }; 4]);
    let good = content(&commits);
    assert_eq!(good.check(), Ok(()));
    // The changed block links to its parent, its certificate fits, and still it is wrong.
    let broken = |change: fn(&mut BatchContent)| {
        let mut content = good.clone();
        change(&mut content);
        let error = content.check().unwrap_err();
        assert_eq!(encode(&content), Err(BatchError::Content(error.clone())));
        error
    };
    assert_eq!(broken(|c| c.blocks.clear()), ContentError::Empty);
    assert_eq!(
        broken(|c| drop(c.blocks.remove(1))),
        ContentError::NotContiguous { expected: Height(2), got: Height(3) }
    );
    assert!(matches!(
        broken(|c| c.blocks[0].header.timestamp_ms = 1),
        ContentError::WrongParent { height: Height(2), .. }
    ));
    assert_eq!(
        broken(|c| c.blocks[3].header.timestamp_ms = 1),
        ContentError::GoesBack { what: "timestamp", height: Height(4) }
    );
    assert_eq!(broken(|c| c.blocks[3].header.era = 1.into()), ContentError::Mixed(Height(4)));
    assert_eq!(broken(|c| c.blocks[3].header.epoch = 1.into()), ContentError::Mixed(Height(4)));
    assert_eq!(broken(|c| c.blocks[3].header.l2_chain_id = 1), ContentError::Mixed(Height(4)));
    assert!(matches!(
        broken(|c| c.blocks[1].execution = vec![1].into()),
        ContentError::Block { height: Height(2), .. }
    ));
    assert_eq!(
        broken(|c| drop(c.blocks.pop())),
        ContentError::OtherCertificate(Height(3)),
        "a certificate of the block after the last"
    );
    assert_eq!(
        broken(|c| c.certificate.height = 1.into()),
        ContentError::OtherCertificate(Height(4))
    );
}

#[test]
fn a_forced_index_never_goes_back() {
    let recipes = vec![Recipe { forced: 2, ..Recipe::default() }; 3];
    let mut commits = chain(&recipes);
    commits[2].block.header.forced_up_to = 3;
    commits[2].certificate = certify(&commits[2].block);
    assert_eq!(
        content(&commits).check(),
        Err(ContentError::GoesBack { what: "forced index", height: Height(3) })
    );
}

#[test]
fn blocks_behind_an_escape_batch_take_nothing_back_from_the_queue() {
    let commits = chain(&vec![Recipe { forced: 2, ..Recipe::default() }; 3]);
    let escaped = keccak256("escaped");
    let tip = BatchTip { forced_up_to: 3, forced_acc: escaped, ..genesis() };
    let up_to = |count: usize| {
        let limits = BatchLimits::default();
        let built = build(&tip, &commits[..count], &set(0), Address::ZERO, &limits).unwrap();
        (built.header.forced_up_to, built.header.forced_acc)
    };
    let last = |count: usize| &commits[count - 1].block.header;
    assert_eq!(last(1).forced_up_to, 2);
    assert_eq!(up_to(1), (3, escaped));
    assert_eq!(up_to(3), (last(3).forced_up_to, last(3).forced_acc));
}

#[test]
fn roots_are_the_fourth_and_fifth_field_of_a_header() {
    let header = chain::execution(5, keccak256("root"), &[]);
    let roots = ExecutionRoots {
        state: keccak256("root"),
        transactions: b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"),
    };
    assert_eq!(ExecutionRoots::decode(&header), Some(roots));
    for end in 0..header.len() {
        assert_eq!(ExecutionRoots::decode(&header[..end]), None);
    }
    assert_eq!(ExecutionRoots::decode(&[&header[..], &[0]].concat()), None);
    assert_eq!(ExecutionRoots::decode(b"opaque"), None);
}

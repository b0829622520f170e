//! The scenarios.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ande_primitives::{Height, Skip};
use tokio::time::Instant;

use super::{Cluster, EngineFactory, Judge, Options, SignerMode};
use crate::{EngineError, EnginePhase};

const ALL: [usize; 4] = [0, 1, 2, 3];

/// Four engines order blocks: once, in order, without gaps, certified, by the schedule.
pub async fn orders_blocks(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::started(factory, Options::four());
    cluster.submit(&ALL, "first");
    cluster.wait_height(&ALL, 12).await;
    cluster.stop_all().await;
    cluster.check();
    let commits = cluster.chain(0).all();
    let transactions: Vec<_> = commits.iter().flat_map(|c| &c.block.transactions).collect();
    assert_eq!(transactions.len(), 1, "a transaction is in one block");
    let proposers: BTreeSet<_> = commits.iter().map(|c| c.block.header.proposer).collect();
    assert!(proposers.len() > 1, "the proposer rotates");
}

/// A node that was away catches up and takes part again.
pub async fn recovers_after_a_restart(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::started(factory, Options::four());
    cluster.wait_height(&ALL, 3).await;
    for index in [1, 2] {
        cluster.stop(index).await.expect("a clean stop");
        let away = cluster.chain(index).tip().0;
        let others: Vec<usize> = ALL.into_iter().filter(|other| *other != index).collect();
        cluster.wait_height(&others, away + 4).await;
        cluster.start(index);
        cluster.wait_height(&ALL, away + 8).await;
    }
    cluster.stop_all().await;
    cluster.check();
}

/// All nodes stop and start; the chain goes on where it was.
pub async fn restarts_as_a_whole(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::started(factory, Options::four());
    for height in [3, 6, 9] {
        cluster.wait_height(&ALL, height).await;
        cluster.stop_all().await;
        cluster.check();
        for index in ALL {
            cluster.start(index);
        }
    }
    cluster.wait_height(&ALL, 12).await;
    cluster.stop_all().await;
    cluster.check();
}

/// Without work there are no blocks; work at any one node makes one soon.
pub async fn idles_without_work(factory: Arc<dyn EngineFactory>) {
    let options = Options { busy: false, ..Options::four() };
    let block_time = options.block_time;
    let mut cluster = Cluster::started(factory, options);
    cluster.submit(&ALL, "to begin with");
    cluster.wait_height(&ALL, 1).await;
    for (transaction, node) in [("a", 0), ("b", 1), ("c", 2), ("d", 3)] {
        let tip = quiet(&cluster, block_time).await;
        // Gossip brought it to all nodes.
        cluster.submit(&ALL, transaction);
        cluster.wait_height(&ALL, tip + 1).await;
        let tip = quiet(&cluster, block_time).await;
        // Gossip failed: the others must still notice that there is work.
        cluster.submit(&[node], &format!("only {transaction}"));
        cluster.wait_height(&ALL, tip + 1).await;
        cluster
            .wait_for("the lone transaction", |cluster| {
                let included = cluster.chain(0).all().into_iter().any(|commit| {
                    commit.block.transactions.iter().any(|tx| tx.starts_with(b"only"))
                });
                included || cluster.chain(0).tip() >= Height(tip + 30)
            })
            .await;
        cluster.submit(&ALL, &format!("only {transaction}"));
        cluster
            .wait_for("all pools to be empty", |cluster| {
                ALL.into_iter().all(|index| cluster.view(index).phase == EnginePhase::Idle)
            })
            .await;
    }
    cluster.stop_all().await;
    cluster.check();
}

/// Waits until all nodes idle at one height and checks that it stays so; returns the height.
async fn quiet(cluster: &Cluster, block_time: Duration) -> u64 {
    let mut since = Instant::now();
    let mut tip = cluster.chain(0).tip();
    let deadline = Instant::now() + Duration::from_secs(60);
    while since.elapsed() < block_time * 8 {
        assert!(Instant::now() < deadline, "the chain makes blocks without work");
        let is_idle = ALL.into_iter().all(|index| {
            cluster.view(index).phase == EnginePhase::Idle && cluster.chain(index).tip() == tip
        });
        if !is_idle {
            tip = cluster.chain(0).tip();
            since = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tip.0
}

/// A proposer that is gone costs one timeout in its window and not one per block.
pub async fn passes_over_a_silent_proposer(factory: Arc<dyn EngineFactory>) {
    let options = Options { rotation_interval: 8, ..Options::four() };
    let mut cluster = Cluster::started(factory, options);
    cluster.wait_height(&ALL, 2).await;
    // The proposer of window 2 stops before its window.
    let silent = cluster.scheduled(16);
    cluster.stop(silent).await.expect("a clean stop");
    let others: Vec<usize> = ALL.into_iter().filter(|index| *index != silent).collect();
    cluster.wait_height(&others, 24).await;
    let timeouts: Vec<u64> = others.iter().map(|i| cluster.view(*i).timeouts).collect();
    cluster.stop_all().await;
    cluster.check();
    let commits = cluster.chain(others[0]).all();
    let window: Vec<Skip> = commits
        .iter()
        .filter(|commit| (16..24).contains(&commit.block.height().0))
        .map(|commit| commit.block.header.skip)
        .collect();
    assert!(window.iter().all(|skip| *skip >= Skip(1)), "{window:?} passes the silent one over");
    assert!(window.is_sorted(), "{window:?} only grows");
    let skipped: u32 = (0..3)
        .map(|w| {
            let last = commits.iter().rfind(|c| c.block.height().0 / 8 == w);
            last.map_or(0, |commit| commit.block.header.skip.0)
        })
        .sum();
    for count in timeouts {
        assert!(count <= u64::from(skipped) + 2, "{count} timeouts for {skipped} skips");
    }
}

/// The committee changes between two heights; nobody restarts.
pub async fn changes_the_set_at_a_boundary(factory: Arc<dyn EngineFactory>) {
    let options = Options {
        nodes: 5,
        committees: vec![vec![0, 1, 2, 3], vec![1, 2, 3, 4]],
        known_epochs: 20,
        rotation_interval: 3,
        windows_per_epoch: 2,
        ..Options::four()
    };
    let nodes = [0, 1, 2, 3, 4];
    let mut cluster = Cluster::started(factory, options);
    cluster.wait_height(&nodes, 4).await;
    cluster.wait_height(&nodes, 15).await;
    assert!(!cluster.view(0).is_validator, "node 0 has left");
    assert!(cluster.view(4).is_validator, "node 4 has joined");
    cluster.stop_all().await;
    cluster.check();
    let commits = cluster.chain(2).all();
    let signs = |from: u64, to: u64| -> BTreeSet<usize> {
        commits
            .iter()
            .filter(|commit| (from..to).contains(&commit.block.height().0))
            .flat_map(|commit| &commit.certificate.signatures)
            .map(|entry| cluster.index_of(entry.signer))
            .collect()
    };
    assert!(!signs(1, 6).contains(&4));
    assert!(!signs(6, 16).contains(&0));
}

/// A set that is not final stops the chain at the boundary; it goes on when the set is there.
pub async fn waits_for_the_set_at_a_boundary(factory: Arc<dyn EngineFactory>) {
    let options = Options { rotation_interval: 3, windows_per_epoch: 2, ..Options::four() };
    let mut cluster = Cluster::started(factory, options);
    let waits = |cluster: &Cluster, index: usize| {
        cluster.view(index).phase == EnginePhase::WaitingForSet
            && cluster.chain(index).tip() == Height(5)
    };
    cluster.wait_for("all to wait for the set", |c| ALL.into_iter().all(|i| waits(c, i))).await;
    // A node that waits stops and starts cleanly.
    cluster.stop(1).await.expect("a clean stop");
    cluster.start(1);
    cluster.wait_for("the node to wait again", |c| waits(c, 1)).await;
    // Three have the set: the chain goes on, the fourth waits.
    for index in [0, 1, 2] {
        cluster.publish_sets(index, 1..10);
    }
    cluster.wait_height(&[0, 1, 2], 9).await;
    assert!(waits(&cluster, 3));
    cluster.publish_sets(3, 1..10);
    cluster.wait_height(&ALL, 14).await;
    cluster.stop_all().await;
    cluster.check();
}

/// A commit that fails stops the engine with an error; what was committed is not lost or repeated.
pub async fn stops_when_a_commit_fails(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::started(factory, Options::four());
    cluster.wait_height(&ALL, 2).await;
    cluster.chain(2).fail_next_commit();
    let error = cluster.ended(2).await.expect_err("the engine stops");
    assert!(matches!(error, EngineError::Application(_)), "{error}");
    let tip = cluster.chain(2).tip().0;
    cluster.wait_height(&[0, 1, 3], tip + 2).await;
    cluster.start(2);
    cluster.wait_height(&ALL, tip + 5).await;
    cluster.stop_all().await;
    cluster.check();
}

/// All nodes fail after they have committed one height: it is not lost and not decided again
/// otherwise.
pub async fn keeps_what_was_committed(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::started(factory, Options::four());
    cluster.wait_height(&ALL, 2).await;
    for index in ALL {
        cluster.chain(index).fail_next_commit();
    }
    for index in ALL {
        cluster.ended(index).await.expect_err("the engine stops");
    }
    let before: Vec<_> = ALL.into_iter().map(|index| cluster.chain(index).all()).collect();
    for index in ALL {
        cluster.start(index);
    }
    let tip = cluster.chain(0).tip().0;
    cluster.wait_height(&ALL, tip + 4).await;
    cluster.stop_all().await;
    cluster.check();
    for (index, before) in ALL.into_iter().zip(before) {
        assert_eq!(cluster.chain(index).all()[..before.len()], before);
    }
}

/// A node that cannot judge blocks does not hold up the others, and catches up when it can.
pub async fn catches_up_what_it_could_not_judge(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::started(factory, Options::four());
    cluster.wait_height(&ALL, 2).await;
    let slow = 3;
    cluster.chain(slow).set_judge(Judge::NotYet);
    cluster.wait_height(&[0, 1, 2], 8).await;
    let behind = cluster.chain(slow).tip();
    assert!(behind < Height(8), "it committed what it could not judge");
    cluster.chain(slow).set_judge(Judge::Honestly);
    cluster.wait_height(&ALL, 14).await;
    cluster.stop_all().await;
    cluster.check();
}

/// Peers that are added while the engines run are connected, and removed ones are not.
pub async fn adds_peers_at_runtime(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::new(factory, Options::four());
    let late = 3;
    for index in [0, 1, 2] {
        cluster.set_peers(index, &[0, 1, 2]);
    }
    for index in ALL {
        cluster.start(index);
    }
    cluster.wait_height(&[0, 1, 2], 4).await;
    assert_eq!(cluster.chain(late).tip(), Height(0), "a stranger is not served");
    for index in [0, 1, 2] {
        cluster.set_peers(index, &ALL);
    }
    cluster.wait_height(&ALL, 8).await;
    let id = cluster.node_id(late);
    for index in [0, 1, 2] {
        cluster.set_peers(index, &[0, 1, 2]);
    }
    cluster
        .wait_for("the peer to be gone", |cluster| {
            [0, 1, 2].into_iter().all(|index| !cluster.view(index).peers.contains(&id))
        })
        .await;
    let tip = cluster.chain(0).tip().0;
    cluster.wait_height(&[0, 1, 2], tip + 3).await;
    cluster.stop_all().await;
    cluster.check();
}

/// The proposer is gone while the chain idles: work still makes a block, after one timeout.
pub async fn wakes_without_its_proposer(factory: Arc<dyn EngineFactory>) {
    let options = Options { busy: false, rotation_interval: 1000, ..Options::four() };
    let block_time = options.block_time;
    let mut cluster = Cluster::started(factory, options);
    cluster.wait_height(&ALL, 1).await;
    let tip = quiet(&cluster, block_time).await;
    let silent = cluster.scheduled(tip + 1);
    cluster.stop(silent).await.expect("a clean stop");
    let others: Vec<usize> = ALL.into_iter().filter(|index| *index != silent).collect();
    cluster.submit(&others[..1], "alone");
    cluster.wait_height(&others, tip + 1).await;
    cluster.submit(&others, "alone");
    cluster
        .wait_for("the transaction", |cluster| {
            let commits = cluster.chain(others[0]).all();
            commits.iter().any(|commit| !commit.block.transactions.is_empty())
        })
        .await;
    cluster.start(silent);
    let tip = cluster.chain(others[0]).tip().0;
    cluster.wait_height(&ALL, tip).await;
    cluster.stop_all().await;
    cluster.check();
}

/// A signer that refuses costs its vote and nothing else.
pub async fn abstains_when_the_signer_refuses(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::started(factory, Options::four());
    cluster.wait_height(&ALL, 2).await;
    let mute = 3;
    cluster.signer(mute).set_mode(SignerMode::Refusing);
    let from = ALL.into_iter().map(|index| cluster.chain(index).tip().0).max().unwrap() + 2;
    // Long enough that the mute one has a turn.
    cluster.wait_height(&ALL, from + 20).await;
    cluster.signer(mute).set_mode(SignerMode::Guarded);
    let until = cluster.chain(0).tip().0;
    let signs = |cluster: &Cluster, from: u64, to: u64| {
        cluster
            .chain(0)
            .all()
            .iter()
            .filter(|commit| (from..to).contains(&commit.block.height().0))
            .flat_map(|commit| commit.certificate.signatures.clone())
            .any(|entry| cluster.index_of(entry.signer) == mute)
    };
    assert!(!signs(&cluster, from, until), "it signs although it must not");
    cluster.wait_for("the signer to be heard again", |c| signs(c, until, u64::MAX)).await;
    cluster.stop_all().await;
    cluster.check();
}

/// A guard that cannot be written stops the engine before anything is signed.
pub async fn stops_when_the_guard_fails(factory: Arc<dyn EngineFactory>) {
    let mut cluster = Cluster::started(factory, Options::four());
    cluster.wait_height(&ALL, 2).await;
    cluster.signer(1).set_mode(SignerMode::Broken);
    let error = cluster.ended(1).await.expect_err("the engine stops");
    assert!(matches!(error, EngineError::Stopped(_)), "{error}");
    let tip = cluster.chain(0).tip().0;
    cluster.wait_height(&[0, 2, 3], tip + 3).await;
    cluster.signer(1).set_mode(SignerMode::Guarded);
    cluster.start(1);
    cluster.wait_height(&ALL, tip + 6).await;
    cluster.stop_all().await;
    cluster.check();
}

/// Two nodes with one validator key: the honest ones agree and hold proof against the key.
pub async fn reports_a_double_signer(factory: Arc<dyn EngineFactory>) {
    let options = Options { nodes: 5, twins: 1, rotation_interval: 2, ..Options::four() };
    let honest = [0, 1, 2];
    let mut cluster = Cluster::new(factory, options);
    // Otherwise a twin that is a little late only repeats what it has seen of the other.
    cluster.chain(3).set_twin(cluster.chain(4));
    cluster.chain(4).set_twin(cluster.chain(3));
    for index in 0..5 {
        cluster.start(index);
    }
    cluster
        .wait_for("proof", |cluster| {
            let tip = cluster.chain(0).tip();
            cluster.submit(&[3], &format!("after {tip}"));
            cluster.submit(&[4], &format!("otherwise after {tip}"));
            honest.into_iter().any(|index| !cluster.chain(index).evidence().is_empty())
        })
        .await;
    let tip = cluster.chain(0).tip().0;
    cluster.wait_height(&honest, tip + 3).await;
    for index in 0..5 {
        // A twin may see its own key contradict itself and stop; that is up to the engine.
        let _ = cluster.stop(index).await;
    }
    cluster.check_chains();
    for index in honest {
        for evidence in cluster.chain(index).evidence() {
            assert!(evidence.is_proof(cluster.domain()), "{evidence:?}");
            assert_eq!(cluster.index_of(evidence.signer), 3, "an honest node is accused");
        }
    }
}

/// Blocks of many parts are proposed, judged and caught up with.
pub async fn carries_large_blocks(factory: Arc<dyn EngineFactory>) {
    let options =
        Options { busy: false, block_time: Duration::from_millis(500), ..Options::four() };
    let mut cluster = Cluster::started(factory, options);
    cluster.wait_height(&ALL, 1).await;
    let away = 2;
    cluster.stop(away).await.expect("a clean stop");
    let others = [0, 1, 3];
    for number in 0..3u8 {
        let tip = cluster.chain(0).tip().0;
        for part in 0..8u8 {
            let mut transaction = format!("{number} {part} ");
            transaction.extend(std::iter::repeat_n('x', 100 << 10));
            cluster.submit(&others, &transaction);
        }
        cluster.wait_height(&others, tip + 1).await;
    }
    cluster
        .wait_for("all transactions", |cluster| {
            let commits = cluster.chain(0).all();
            commits.iter().map(|commit| commit.block.transactions.len()).sum::<usize>() == 24
        })
        .await;
    cluster.start(away);
    let tip = cluster.chain(0).tip().0;
    cluster.wait_height(&ALL, tip).await;
    cluster.stop_all().await;
    cluster.check();
}

//! Transactions signed before the clock starts, and what the machine can check of them.

use std::time::{Duration, Instant};

use alloy::{
    consensus::{TxEip1559, TxEnvelope, transaction::SignerRecoverable as _},
    eips::Decodable2718 as _,
    primitives::{Address, Bytes, TxKind, U256},
    signers::local::PrivateKeySigner,
    sol,
    sol_types::SolCall as _,
};
use ande_devnet::SignedTransaction;
use eyre::Result;

const FEE_WEI: u128 = 20_000_000_000;
const TIP_WEI: u128 = 1_000_000_000;

sol! {
    function move(address to, uint256 amount) external;
}

/// What the transactions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// One wei to an account that may be new.
    Transfer,
    /// Tokens of this contract.
    Token(Address),
}

/// An account and the nonce of its next transaction.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Its key.
    pub(crate) key: PrivateKeySigner,
    /// Next nonce.
    pub(crate) nonce: u64,
}

/// Signs `count` transactions, the senders in turn, on all cores.
///
/// # Errors
/// When signing fails.
pub(crate) fn sign_all(
    senders: &mut [Sender],
    chain_id: u64,
    work: Work,
    count: usize,
    seed: u64,
) -> Result<Vec<SignedTransaction>> {
    let plan: Vec<(usize, u64)> = (0..count)
        .map(|index| {
            let sender = index % senders.len();
            let nonce = senders[sender].nonce;
            senders[sender].nonce += 1;
            (sender, nonce)
        })
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let senders = &*senders;
    let parts: Vec<Result<Vec<SignedTransaction>>> = std::thread::scope(|scope| {
        let size = count.div_ceil(cores).max(1);
        let workers: Vec<_> = plan
            .chunks(size)
            .enumerate()
            .map(|(part, chunk)| {
                scope.spawn(move || {
                    chunk
                        .iter()
                        .enumerate()
                        .map(|(index, (sender, nonce))| {
                            let number = seed.wrapping_add((part * size + index) as u64);
                            sign(&senders[*sender].key, chain_id, *nonce, work, number)
                        })
                        .collect()
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(eyre::eyre!("signing failed"))))
            .collect()
    });
    let mut signed = Vec::with_capacity(count);
    for part in parts {
        signed.extend(part?);
    }
    Ok(signed)
}

/// Signs the next transaction of a sender: tokens to an account.
///
/// # Errors
/// When signing fails.
pub(crate) fn sign_move(
    sender: &mut Sender,
    chain_id: u64,
    token: Address,
    to: Address,
    amount: u64,
) -> Result<SignedTransaction> {
    let input = moveCall { to, amount: U256::from(amount) }.abi_encode().into();
    let nonce = sender.nonce;
    sender.nonce += 1;
    sign_call(&sender.key, chain_id, nonce, (token, U256::ZERO, input, 80_000))
}

fn sign(
    key: &PrivateKeySigner,
    chain_id: u64,
    nonce: u64,
    work: Work,
    number: u64,
) -> Result<SignedTransaction> {
    let to = Address::left_padding_from(&(0xFEED_0000_0000 + number % 200_000).to_be_bytes());
    let (to, value, input, gas_limit) = match work {
        Work::Transfer => (to, U256::from(1), Bytes::new(), 21_000),
        Work::Token(token) => {
            let call = moveCall { to, amount: U256::from(1) };
            (token, U256::ZERO, call.abi_encode().into(), 80_000)
        }
    };
    sign_call(key, chain_id, nonce, (to, value, input, gas_limit))
}

fn sign_call(
    key: &PrivateKeySigner,
    chain_id: u64,
    nonce: u64,
    (to, value, input, gas_limit): (Address, U256, Bytes, u64),
) -> Result<SignedTransaction> {
    let transaction = TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: FEE_WEI,
        max_priority_fee_per_gas: TIP_WEI,
        to: TxKind::Call(to),
        value,
        input,
        ..Default::default()
    };
    ande_devnet::sign(key, transaction)
}

/// Sender recoveries per second of `cores` cores at once.
///
/// # Errors
/// When a transaction does not recover.
pub(crate) fn recovery_rate(
    sample: &[SignedTransaction],
    cores: usize,
    time: Duration,
) -> Result<f64> {
    let counts: Result<Vec<u64>> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..cores).map(|_| scope.spawn(|| recoveries(sample, time))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(eyre::eyre!("recovery failed"))))
            .collect()
    });
    Ok(counts?.iter().sum::<u64>() as f64 / time.as_secs_f64())
}

fn recoveries(sample: &[SignedTransaction], time: Duration) -> Result<u64> {
    let start = Instant::now();
    let mut count = 0;
    for signed in sample.iter().cycle() {
        let envelope = TxEnvelope::decode_2718(&mut signed.raw.as_ref())?;
        std::hint::black_box(envelope.recover_signer()?);
        count += 1;
        if start.elapsed() >= time {
            break;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_follow_each_sender() {
        let mut senders: Vec<Sender> =
            (0..3).map(|_| Sender { key: PrivateKeySigner::random(), nonce: 5 }).collect();
        let signed = sign_all(&mut senders, 6174, Work::Transfer, 7, 0).unwrap();
        assert_eq!(signed.len(), 7);
        for (index, signed) in signed.iter().enumerate() {
            let envelope = TxEnvelope::decode_2718(&mut signed.raw.as_ref()).unwrap();
            let TxEnvelope::Eip1559(transaction) = &envelope else { panic!("another type") };
            assert_eq!(transaction.tx().nonce, 5 + index as u64 / 3);
            assert_eq!(envelope.recover_signer().unwrap(), senders[index % 3].key.address());
            assert_eq!(*envelope.tx_hash(), signed.hash);
        }
        assert_eq!(senders[0].nonce, 8);
        assert!(recovery_rate(&signed, 2, Duration::from_millis(20)).unwrap() > 0.0);
    }
}

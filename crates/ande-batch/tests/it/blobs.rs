//! Data in blobs.

use ande_batch::{
    BLOB_BYTES, BLOB_DATA_BYTES, Blob, BlobError, MAX_BLOB_DATA_BYTES, MAX_BLOBS, blobs_for,
    decode, from_blobs, to_blobs,
};
use proptest::prelude::*;

/// Bytes that a mixing step makes of their position.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

/// The largest field element starts with 0x73, so 254 bits are below the modulus in any form.
fn is_canonical(blob: &Blob) -> bool {
    blob.as_chunks::<32>().0.iter().all(|element| element[0] <= 0x3f)
}

#[test]
fn a_full_blob_holds_all_that_fits() {
    assert_eq!(BLOB_DATA_BYTES, 4096 * 254 / 8);
    assert_eq!(MAX_BLOB_DATA_BYTES, 780_288);
    for len in [BLOB_DATA_BYTES, MAX_BLOB_DATA_BYTES] {
        let blobs = to_blobs(&vec![0xff; len]).unwrap();
        assert_eq!(blobs.len(), len / BLOB_DATA_BYTES);
        // Every bit that may carry data does.
        for blob in &blobs {
            assert!(blob.as_chunks::<32>().0.iter().all(|e| e[0] == 0x3f && e[1..] == [0xff; 31]));
        }
    }
}

#[test]
fn sizes_around_every_border_come_back() {
    let borders = [1, 31, 127, 128, BLOB_DATA_BYTES, 2 * BLOB_DATA_BYTES, MAX_BLOB_DATA_BYTES];
    for border in borders {
        for len in [border - 1, border, border + 1] {
            let data = noise(len as u64, len);
            match to_blobs(&data) {
                Ok(blobs) => {
                    assert_eq!(blobs.len(), blobs_for(len));
                    assert!(blobs.iter().all(is_canonical));
                    assert_eq!(from_blobs(&blobs, len), Ok(data), "{len}");
                }
                Err(error) => {
                    assert!(len == 0 || len > MAX_BLOB_DATA_BYTES, "{len}: {error}");
                }
            }
        }
    }
}

#[test]
fn only_the_form_that_is_written_is_read() {
    let data = noise(7, BLOB_DATA_BYTES + 1_000);
    let blobs = to_blobs(&data).unwrap();
    assert_eq!(from_blobs(&blobs[..1], data.len()), Err(BlobError::Count { got: 1, expected: 2 }));
    let mut more = blobs.clone();
    more.push(Blob::ZERO);
    assert_eq!(from_blobs(&more, data.len()), Err(BlobError::Count { got: 3, expected: 2 }));
    assert_eq!(from_blobs(&blobs, data.len() - 1), Err(BlobError::Padding));
    let mut padded = blobs.clone();
    padded[1][BLOB_BYTES - 1] = 1;
    assert_eq!(from_blobs(&padded, data.len()), Err(BlobError::Padding));
    for bit in [0x40, 0x80] {
        let mut high = blobs.clone();
        high[0][32] |= bit;
        assert_eq!(from_blobs(&high, data.len()), Err(BlobError::Element { blob: 0 }));
    }
    for size in [0, MAX_BLOB_DATA_BYTES + 1, usize::MAX] {
        assert!(matches!(from_blobs(&blobs, size), Err(BlobError::Size { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_data_comes_back(seed: u64, len in 1..=2 * BLOB_DATA_BYTES) {
        let data = noise(seed, len);
        let blobs = to_blobs(&data).unwrap();
        prop_assert!(blobs.iter().all(is_canonical));
        prop_assert_eq!(from_blobs(&blobs, len), Ok(data));
    }

    /// Whoever writes them: what is read is refused or of the named size, and never panics further on.
    #[test]
    fn hostile_blobs_are_refused_or_read(
        seed: u64, count in 0..=MAX_BLOBS, size in 0..=MAX_BLOB_DATA_BYTES + 10, tame: bool,
    ) {
        let blobs: Vec<Blob> = (0..count as u64)
            .map(|index| {
                let mut bytes = noise(seed.wrapping_add(index), BLOB_BYTES);
                if tame {
                    bytes.iter_mut().step_by(32).for_each(|byte| *byte &= 0x3f);
                }
                Blob::from_slice(&bytes)
            })
            .collect();
        let exact = blobs.len() * BLOB_DATA_BYTES;
        for size in [size, exact] {
            if let Ok(data) = from_blobs(&blobs, size) {
                prop_assert_eq!(data.len(), size);
                prop_assert!(decode(&data).is_err());
                prop_assert_eq!(to_blobs(&data), Ok(blobs.clone()));
            }
        }
    }
}

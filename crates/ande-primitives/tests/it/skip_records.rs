//! Skip records: 12 bytes each, ascending, bounded.

use ande_primitives::{
    MAX_SKIP_RECORDS, Skip, SkipRecord, SkipRecordError, Window, decode_skip_records,
    encode_skip_records,
};
use proptest::{collection::vec, prelude::*};

fn record(window: u64, skip: u32) -> SkipRecord {
    SkipRecord { window: Window(window), skip: Skip(skip) }
}

proptest! {
    #[test]
    fn records_come_back(steps in vec((1u64..1 << 40, 1u32..), 0..=MAX_SKIP_RECORDS)) {
        let mut window = 0;
        let records: Vec<SkipRecord> = steps
            .into_iter()
            .map(|(step, skip)| {
                window += step;
                record(window, skip)
            })
            .collect();
        let bytes = encode_skip_records(&records);
        prop_assert_eq!(bytes.len(), records.len() * 12);
        prop_assert_eq!(decode_skip_records(&bytes), Ok(records));
    }

    #[test]
    fn bytes_have_one_reading(bytes in vec(any::<u8>(), 0..250)) {
        if let Ok(records) = decode_skip_records(&bytes) {
            prop_assert_eq!(encode_skip_records(&records), bytes);
        }
    }
}

#[test]
fn records_out_of_order_or_without_a_skip_are_refused() {
    let decoded = |records: &[SkipRecord]| decode_skip_records(&encode_skip_records(records));
    assert_eq!(decoded(&[record(1, 0)]), Err(SkipRecordError::Order(0)));
    assert_eq!(decoded(&[record(2, 1), record(2, 1)]), Err(SkipRecordError::Order(1)));
    assert_eq!(decoded(&[record(2, 1), record(1, 1)]), Err(SkipRecordError::Order(1)));
    let many: Vec<SkipRecord> = (1..=17).map(|window| record(window, 1)).collect();
    assert_eq!(decoded(&many), Err(SkipRecordError::Length(204)));
    assert_eq!(decode_skip_records(&[0; 13]), Err(SkipRecordError::Length(13)));
}

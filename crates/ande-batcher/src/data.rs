//! Where the data of a batch goes: into the calldata of the posting transaction, into its blobs, or
//! onto the data layer.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes, keccak256};
use ande_batch::{from_blobs, to_blobs};
use ande_l1::{BlobBundle, BlobForm, CommitmentAndProof, KzgError};
use ande_primitives::{DaKind, DaPointer};
use tokio::sync::oneshot;

use crate::{
    BatcherConfig, BatcherError,
    place::{DataChoice, MAX_CALLDATA_BYTES},
};

/// Niceness of the computation of blobs.
const BACKGROUND: i32 = 5;

/// What a node goes by when it posts. Validators sign any place, if the pointer is right for the
/// data: the choice is the poster's, and an attempt with another one is another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRules {
    /// What decides.
    pub choice: DataChoice,
    /// Most blobs in one transaction; 0 for a settlement chain without blobs.
    pub max_blobs: usize,
    /// How the pools of the settlement chain want blobs proved.
    pub form: BlobForm,
}

impl DataRules {
    /// Where data of this size goes whatever it costs; none when the prices decide.
    #[must_use]
    pub const fn fixed(&self, bytes: usize) -> Option<DaKind> {
        match self.choice {
            // Never another place when it is out: batches wait, and blocks get smaller.
            DataChoice::Celestia => Some(DaKind::Celestia),
            _ if self.max_blobs == 0 => Some(DaKind::Calldata),
            _ if bytes > MAX_CALLDATA_BYTES => Some(DaKind::Blobs),
            DataChoice::Auto => None,
            DataChoice::BySize(most) if bytes > most => Some(DaKind::Blobs),
            DataChoice::BySize(_) | DataChoice::Calldata => Some(DaKind::Calldata),
            DataChoice::Blobs => Some(DaKind::Blobs),
        }
    }
}

impl From<&BatcherConfig> for DataRules {
    fn from(config: &BatcherConfig) -> Self {
        Self { choice: config.data, max_blobs: config.max_blobs, form: config.blob_form }
    }
}

type Computed = Result<BlobBundle, String>;

/// The blobs of the data posted last, and those being computed, which takes up to seconds. A
/// computation goes on when nobody waits for it any more.
#[derive(Debug, Default)]
pub(crate) struct Bundles {
    last: Option<(B256, Arc<BlobBundle>)>,
    running: Option<(B256, oneshot::Receiver<Computed>)>,
}

impl Bundles {
    /// The blobs of data with commitments and proofs.
    pub(crate) async fn of(
        &mut self,
        index: u64,
        data: &Bytes,
        form: BlobForm,
    ) -> Result<Arc<BlobBundle>, BatcherError> {
        let key = keccak256(data);
        if let Some((known, bundle)) = &self.last
            && *known == key
        {
            return Ok(Arc::clone(bundle));
        }
        if self.running.as_ref().is_none_or(|(running, _)| *running != key) {
            let data = data.clone();
            let computation = in_background(move || {
                let blobs = to_blobs(&data).map_err(|error| error.to_string())?;
                BlobBundle::compute(blobs, form).map_err(|error| error.to_string())
            });
            let computation = computation.map_err(|error| BatcherError::Blobs {
                index,
                reason: format!("no thread for them: {error}"),
            })?;
            self.running = Some((key, computation));
        }
        let computed = match &mut self.running {
            Some((_, computation)) => computation.await,
            None => return Err(BatcherError::Blobs { index, reason: "not computed".to_owned() }),
        };
        self.running = None;
        let bundle = computed
            .unwrap_or_else(|_| Err("interrupted".to_owned()))
            .map_err(|reason| BatcherError::Blobs { index, reason })?;
        let bundle = Arc::new(bundle);
        self.last = Some((key, Arc::clone(&bundle)));
        Ok(bundle)
    }
}

/// Works on a thread of its own that gives way to all others: on a busy machine posting may fall
/// behind, blocks may not.
fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<oneshot::Receiver<T>> {
    let (reply, done) = oneshot::channel();
    std::thread::Builder::new().name("ande-blobs".into()).spawn(move || {
        if let Err(error) = rustix::process::nice(BACKGROUND) {
            tracing::debug!(%error, "the blobs are computed with the priority of everything else");
        }
        // Nobody may be waiting any more.
        let _ = reply.send(work());
    })?;
    Ok(done)
}

/// Pointer to data in the blobs of a bundle.
pub(crate) fn pointer(bundle: &BlobBundle, bytes: usize) -> DaPointer {
    DaPointer::blobs(&bundle.versioned_hashes(), u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// What a checkpoint request carries so that others need not compute the commitments.
pub(crate) fn proofs(bundle: &BlobBundle) -> Bytes {
    bundle.proofs().iter().flat_map(CommitmentAndProof::to_bytes).collect::<Vec<u8>>().into()
}

/// Why data is not in the blobs of a pointer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrongBlobs {
    #[error("the data does not fit into blobs: {0}")]
    Data(#[from] ande_batch::BlobError),
    #[error("the commitments are not 96 bytes each")]
    Proofs,
    #[error("the data pointer is not that of the commitments")]
    Pointer,
    #[error(transparent)]
    Kzg(#[from] KzgError),
}

/// Checks that a pointer to blobs is the one of the data. Blocks for 2 ms a blob.
pub(crate) fn check_blobs(
    pointer: &DaPointer,
    data: &[u8],
    proofs: &[u8],
) -> Result<(), WrongBlobs> {
    let blobs = to_blobs(data)?;
    let proofs = CommitmentAndProof::all_from(proofs).ok_or(WrongBlobs::Proofs)?;
    let hashes: Vec<B256> =
        proofs.iter().map(|entry| ande_l1::versioned_hash(&entry.commitment)).collect();
    let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
    if *pointer != DaPointer::blobs(&hashes, size) {
        return Err(WrongBlobs::Pointer);
    }
    Ok(BlobBundle::verify(&blobs, &proofs)?)
}

/// Data out of blobs of an accepted batch.
pub(crate) fn read_blobs(
    blobs: &[ande_l1::Blob],
    pointer: &DaPointer,
) -> Result<Vec<u8>, ande_batch::BlobError> {
    from_blobs(blobs, pointer.size as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(data: &[u8]) -> BlobBundle {
        BlobBundle::compute(to_blobs(data).unwrap(), BlobForm::Eip4844).unwrap()
    }

    #[test]
    fn what_is_configured_comes_before_prices() {
        use DaKind::{Blobs, Calldata};
        let place = |choice: DataChoice, bytes: usize| {
            DataRules { choice, max_blobs: 6, form: BlobForm::default() }.fixed(bytes)
        };
        let size = DataChoice::BySize(100);
        assert_eq!((place(size, 100), place(size, 101)), (Some(Calldata), Some(Blobs)));
        assert_eq!(place(DataChoice::Auto, 100), None);
        assert_eq!(place(DataChoice::Blobs, 1), Some(Blobs));
        assert_eq!(place(DataChoice::Calldata, MAX_CALLDATA_BYTES), Some(Calldata));
        // No pool takes it otherwise.
        for choice in [DataChoice::Auto, DataChoice::Calldata, DataChoice::BySize(usize::MAX)] {
            assert_eq!(place(choice, MAX_CALLDATA_BYTES + 1), Some(Blobs));
        }
        let without_blobs =
            |choice| DataRules { choice, max_blobs: 0, form: BlobForm::default() }.fixed(100_000);
        assert_eq!(without_blobs(DataChoice::Auto), Some(Calldata));
        assert_eq!(without_blobs(DataChoice::Celestia), Some(DaKind::Celestia));
        assert_eq!(place(DataChoice::Celestia, 700_000), Some(DaKind::Celestia));
    }

    #[test]
    fn a_pointer_is_signed_only_for_its_own_data() {
        let data = vec![7; 5_000];
        let bundle = bundle(&data);
        let good = (pointer(&bundle, data.len()), proofs(&bundle));
        check_blobs(&good.0, &data, &good.1).unwrap();
        assert_eq!(read_blobs(&to_blobs(&data).unwrap(), &good.0).as_deref(), Ok(&data[..]));

        let mut other = data.clone();
        other[17] ^= 1;
        assert!(matches!(check_blobs(&good.0, &other, &good.1), Err(WrongBlobs::Kzg(_))));
        assert!(matches!(check_blobs(&good.0, &data[1..], &good.1), Err(WrongBlobs::Pointer)));
        assert!(matches!(check_blobs(&good.0, &data, &good.1[1..]), Err(WrongBlobs::Proofs)));
        assert!(matches!(check_blobs(&good.0, &data, &[]), Err(WrongBlobs::Pointer)));
        assert!(matches!(check_blobs(&good.0, &[], &good.1), Err(WrongBlobs::Data(_))));
        let twice = [&good.1[..], &good.1[..]].concat();
        assert!(matches!(check_blobs(&good.0, &data, &twice), Err(WrongBlobs::Pointer)));
    }
}

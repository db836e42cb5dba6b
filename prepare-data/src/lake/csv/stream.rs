//! Reads change files as a stream of batches.

use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::datafusion::error::{DataFusionError, Result};
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use deltalake::logstore::ObjectStoreRef;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;

use super::decoder::{BATCH, Decoder, ReadPlan};
use super::error::{Cause, ChangeFileError};
use super::folders::ChangeFile;

/// Small files that are opened ahead: each costs a request, and a folder of a few minutes contains little else.
const AHEAD: usize = 16;

/// Bytes that are decoded at once. A row may be longer.
const CHUNK: usize = 1024 * 1024;

type Bytes = BoxStream<'static, Result<Vec<u8>>>;

/// The rows of the files.
pub(super) fn batches(
    lake: String,
    store: ObjectStoreRef,
    plan: Arc<ReadPlan>,
    files: Vec<ChangeFile>,
) -> SendableRecordBatchStream {
    let schema = Arc::clone(&plan.schema);
    let opened = futures::stream::iter(files).map(move |file| open(Arc::clone(&store), file)).buffered(AHEAD).boxed();
    let reader = Reader { lake, files: opened, decoder: Decoder::new(plan), current: None };
    let stream =
        futures::stream::try_unfold(reader, async |mut reader| Ok(reader.next().await?.map(|batch| (batch, reader))));
    Box::pin(RecordBatchStreamAdapter::new(schema, stream))
}

async fn open(store: ObjectStoreRef, file: ChangeFile) -> Result<(ChangeFile, Bytes)> {
    let found = store.get(&file.meta.location).await.map_err(external)?;
    // The body of a small file is read here, so that the connection is free for the next one.
    let bytes = if file.meta.size <= CHUNK as u64 {
        let all = found.bytes().await.map_err(external)?;
        futures::stream::iter([Ok(all.to_vec())]).boxed()
    } else {
        found.into_stream().map_ok(|bytes| bytes.to_vec()).map_err(external).boxed()
    };
    Ok((file, bytes))
}

struct Reader {
    lake: String,
    files: BoxStream<'static, Result<(ChangeFile, Bytes)>>,
    decoder: Decoder,
    current: Option<OpenFile>,
}

struct OpenFile {
    file: ChangeFile,
    bytes: Bytes,
    text: Vec<u8>,
    is_all: bool,
    wanted: usize,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        while self.decoder.rows() < BATCH {
            if self.current.is_none() && !self.start_file().await? {
                break;
            }
            self.decode()?;
            let Some(open) = &mut self.current else { continue };
            if open.is_all && open.text.is_empty() {
                self.current = None;
            } else if self.decoder.rows() < BATCH {
                open.fill().await?;
            }
        }
        if self.decoder.rows() == 0 { Ok(None) } else { Ok(Some(self.decoder.finish()?)) }
    }

    /// Starts the next file; `false` if there is none.
    async fn start_file(&mut self) -> Result<bool> {
        let Some((file, bytes)) = self.files.try_next().await? else { return Ok(false) };
        self.decoder.start_file(&file.folder);
        let mut open = OpenFile { file, bytes, text: Vec::new(), is_all: false, wanted: CHUNK };
        open.fill().await?;
        let text = &open.text;
        let is_utf16 = text.starts_with(&[0xFF, 0xFE])
            || text.starts_with(&[0xFE, 0xFF])
            || text.iter().take(4).any(|byte| *byte == 0);
        if is_utf16 {
            return Err(self.wrong(&open.file, Cause::Utf16));
        }
        if open.text.starts_with(b"\xEF\xBB\xBF") {
            open.text.drain(..3);
        }
        self.current = Some(open);
        Ok(true)
    }

    fn decode(&mut self) -> Result<()> {
        let Some(mut open) = self.current.take() else { return Ok(()) };
        let read = self.decoder.decode(&open.text, open.is_all).map_err(|cause| self.wrong(&open.file, cause))?;
        if read == 0 && self.decoder.rows() < BATCH {
            open.wanted *= 2; // a row that is longer than the text so far
        }
        open.text.drain(..read);
        self.current = Some(open);
        Ok(())
    }

    fn wrong(&self, file: &ChangeFile, cause: Cause) -> DataFusionError {
        let file = format!("{}{}", self.lake, file.meta.location);
        DataFusionError::External(Box::new(ChangeFileError { file, line: self.decoder.line(), cause }))
    }
}

impl OpenFile {
    async fn fill(&mut self) -> Result<()> {
        while self.text.len() < self.wanted && !self.is_all {
            match self.bytes.try_next().await? {
                Some(bytes) if self.text.is_empty() => self.text = bytes,
                Some(bytes) => self.text.extend_from_slice(&bytes),
                None => self.is_all = true,
            }
        }
        Ok(())
    }
}

fn external(error: deltalake::ObjectStoreError) -> DataFusionError {
    DataFusionError::ObjectStore(Box::new(error))
}

//! The source of a run's records, and how they become chunks.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::{self, Stream};
use serde::Serialize;

use super::machine::Cut;
use crate::chunk::{Chunk, Chunker, Splitter, exact_length};
use crate::error::{Error, Result};
use crate::records::{Encoder, JsonRow};

/// Records of type `I`, or prepared chunks, from an iterator or an async stream.
///
/// A run takes a plain iterator of records as it is. A `Source` is for async streams, for records
/// whose reading can fail, and for prepared chunks.
///
/// ```
/// use cspark_batches::run::Source;
///
/// # #[derive(serde::Serialize)]
/// # struct Policy { age: u32 }
/// // Lines of a file, each of which may be unreadable.
/// let policies = Source::try_records(["34", "57"].map(|line| line.parse().map(|age| Policy { age })));
/// # let _: Source<Policy> = policies;
/// ```
///
/// A source is read only as fast as memory and service allow, and within an async task: an iterator
/// that waits for a slow disk or network blocks a worker thread of the runtime, so pass those as a
/// stream.
#[must_use = "a source is read by a run"]
pub struct Source<I> {
    open: Open,
    length: Option<u64>,
    of: PhantomData<fn() -> I>,
}

type Open = Box<dyn FnOnce(&Chunker, BadRecords) -> Result<Box<dyn Reader>> + Send>;

/// The input of a run: any iterator over records, or a [`Source`].
pub trait IntoSource<I> {
    /// The source.
    fn into_source(self) -> Source<I>;
}

impl<I> IntoSource<I> for Source<I> {
    fn into_source(self) -> Source<I> {
        self
    }
}

impl<I, T> IntoSource<I> for T
where
    I: Serialize + Send + 'static,
    T: IntoIterator<Item = I>,
    T::IntoIter: Send + 'static,
{
    fn into_source(self) -> Source<I> {
        Source::records(self)
    }
}

impl<I: Serialize + Send + 'static> Source<I> {
    /// Records from an iterator.
    pub fn records<T>(records: T) -> Self
    where
        T: IntoIterator<Item = I>,
        T::IntoIter: Send + 'static,
    {
        let records = records.into_iter().map(Ok::<I, Infallible>);
        Self::try_records(records)
    }

    /// Records from an iterator that may fail.
    ///
    /// The first failure ends the input: the records before it are delivered, then the run ends
    /// with an error that has the failure as its source. With
    /// [`deliver_bad_records`](super::RunBuilder::deliver_bad_records), each failure counts as one
    /// record, and is its outcome.
    pub fn try_records<T, E>(records: T) -> Self
    where
        T: IntoIterator<Item = Result<I, E>>,
        T::IntoIter: Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        Self::try_stream(stream::iter(records))
    }

    /// Records from an async stream.
    pub fn stream<S>(records: S) -> Self
    where
        S: Stream<Item = I> + Send + 'static,
    {
        use futures_util::StreamExt as _;
        Self::try_stream(records.map(Ok::<I, Infallible>))
    }

    /// Records from an async stream that may fail; see [`try_records`](Self::try_records).
    pub fn try_stream<S, E>(records: S) -> Self
    where
        S: Stream<Item = Result<I, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        Self::encoded_by(records, Encoder::push, None)
    }
}

impl Source<JsonRow> {
    /// Rows of JSON, with a cell for each of the columns, from an async stream that may fail; see
    /// [`JsonRow`] and [`try_records`](Self::try_records).
    ///
    /// These columns come before those of a [chunker](super::RunBuilder::chunker).
    ///
    /// ```
    /// use cspark_batches::JsonRow;
    /// use cspark_batches::run::Source;
    ///
    /// let rows = [r#"[40,"female"]"#, r#"[57,"male"]"#].map(|row| Ok::<_, std::io::Error>(JsonRow::new(row)));
    /// let source = Source::json_rows(["age", "sex"], futures_util::stream::iter(rows));
    /// # let _ = source;
    /// ```
    pub fn json_rows<S, E, C>(columns: impl IntoIterator<Item = C>, rows: S) -> Self
    where
        S: Stream<Item = Result<JsonRow, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
        C: Into<String>,
    {
        let columns = columns.into_iter().map(Into::into).collect();
        Self::encoded_by(rows, Encoder::push_row, Some(columns))
    }
}

impl<I: Send + 'static> Source<I> {
    fn encoded_by<S, E>(records: S, encode: Encode<I>, columns: Option<Vec<String>>) -> Self
    where
        S: Stream<Item = Result<I, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let length = exact_length(records.size_hint());
        Self {
            open: Box::new(move |chunker, bad_records| {
                let chunker = match columns {
                    Some(columns) => chunker.clone().columns(columns),
                    None => chunker.clone(),
                };
                let splitter = chunker.splitter(length)?;
                Ok(Box::new(Records {
                    records: Box::pin(records),
                    encode,
                    chunker,
                    splitter,
                    bad_records,
                    skip: 0,
                    cut: Cut::Free,
                    begun: false,
                    end: None,
                    failed_record: false,
                    failure: None,
                }))
            }),
            length: length.map(|length| length as u64),
            of: PhantomData,
        }
    }
}

impl Source<Chunk> {
    /// Prepared chunks from an iterator.
    ///
    /// On the wire they have ids of the run, which a resumed run can mint again; results come back
    /// with the chunks' own ids.
    pub fn chunks<T>(chunks: T) -> Self
    where
        T: IntoIterator<Item = Chunk>,
        T::IntoIter: Send + 'static,
    {
        Self::chunk_stream(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)))
    }

    /// Prepared chunks from an async stream that may fail; see [`chunks`](Self::chunks) and
    /// [`try_records`](Self::try_records).
    pub fn chunk_stream<S, E>(chunks: S) -> Self
    where
        S: Stream<Item = Result<Chunk, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        Self {
            open: Box::new(move |_, _| {
                Ok(Box::new(Prepared {
                    chunks: Box::pin(chunks),
                    waiting: VecDeque::new(),
                    skip: 0,
                    cut: Cut::Free,
                    end: None,
                }))
            }),
            length: None,
            of: PhantomData,
        }
    }
}

impl<I> Source<I> {
    /// The number of records, if the source knows it.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// The same source with its reader wrapped.
    #[cfg(feature = "blocking")]
    pub(crate) fn map_reader<F>(self, wrap: F) -> Self
    where
        F: FnOnce(Box<dyn Reader>) -> Box<dyn Reader> + Send + 'static,
        I: 'static,
    {
        let open = self.open;
        Self {
            open: Box::new(move |chunker, bad_records| Ok(wrap(open(chunker, bad_records)?))),
            ..self
        }
    }

    pub(super) fn open(
        self,
        chunker: &Chunker,
        bad_records: BadRecords,
    ) -> Result<Box<dyn Reader>> {
        (self.open)(chunker, bad_records)
    }
}

impl<I> fmt::Debug for Source<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// Gives chunks as they are asked for, one at a time.
pub(crate) trait Reader: Send {
    /// Asks for one more chunk, after so many records that are passed over.
    fn begin(&mut self, skip: u64, cut: Cut);

    /// Reads the source no further; the chunk that is begun is still given.
    fn stop(&mut self);

    /// The records beyond the last chunk that are begun, and will be part of the next ones.
    fn ahead(&self) -> u64;

    /// Whether the chunks have ids of the caller's.
    fn has_own_ids(&self) -> bool {
        false
    }

    /// The chunk that was asked for, or what came in its place; `None` at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>>;
}

/// What a source gave.
#[derive(Debug)]
pub(crate) enum Read {
    Chunk(Chunk),
    /// A record that cannot be sent, which is its outcome.
    Rejected(Error),
    /// The source failed; with `record`, because of a record that cannot be sent.
    Failed {
        error: Error,
        record: bool,
    },
}

/// What to do about a record that cannot be read or sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BadRecords {
    /// The source ends there.
    #[default]
    EndTheRun,
    /// It is the outcome of the record.
    AreDelivered,
}

/// Adds a record to an encoder; `false` if it is a header row.
type Encode<I> = fn(&mut Encoder, &I) -> Result<bool>;

/// Reads records.
struct Records<S, I> {
    records: Pin<Box<S>>,
    encode: Encode<I>,
    chunker: Chunker,
    splitter: Splitter,
    bad_records: BadRecords,
    skip: u64,
    cut: Cut,
    /// The columns are known.
    begun: bool,
    end: Option<End>,
    /// A record that cannot be sent, or the failure of the source; what was read before it comes
    /// first.
    failure: Option<Error>,
    /// Whether the source gave a record that cannot be sent, rather than failing itself.
    failed_record: bool,
}

/// Why a source is read no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It has no more.
    Reached,
    /// The run wants no more.
    Stopped,
    /// It failed.
    Failed,
}

impl<S, I> Records<S, I> {
    fn push(&mut self, record: &I) -> Result<Option<Chunk>> {
        let encode = self.encode;
        let add = |encoder: &mut Encoder| encode(encoder, record);
        if self.skip > 0 && self.begun {
            self.skip -= 1;
            return Ok(None);
        }
        let encoded = match self.cut {
            _ if self.skip > 0 => {
                // The first record shows the columns, or is their header row and no record.
                if self.splitter.push_until(add, 1)?.is_some() {
                    self.skip -= 1;
                }
                None
            }
            Cut::Free => self.splitter.push_with(add)?,
            Cut::AtMost(most) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                match self.splitter.pending() + 1 >= most {
                    true => self.splitter.push_until(add, most)?,
                    false => self.splitter.push_with(add)?,
                }
            }
            Cut::Exactly(records) => {
                let records = usize::try_from(records).unwrap_or(usize::MAX);
                self.splitter.push_until(add, records)?
            }
        };
        self.begun = true;
        Ok(encoded.and_then(|encoded| self.chunker.to_chunk(encoded)))
    }

    /// A record that cannot be read or sent.
    fn reject(&mut self, error: Error, record: bool) {
        self.failed_record = record;
        match self.bad_records {
            BadRecords::AreDelivered if self.skip > 0 => self.skip -= 1,
            BadRecords::AreDelivered => self.failure = Some(error),
            BadRecords::EndTheRun => {
                self.failure = Some(error);
                self.end = Some(End::Failed);
            }
        }
    }

    /// Whether what is begun is the chunk that is wanted.
    fn has_enough(&self) -> bool {
        self.skip == 0 && self.splitter.pending() as u64 >= self.cut.most()
    }

    /// The chunk that is begun.
    fn rest(&mut self) -> Option<Chunk> {
        let rest = self.splitter.finish()?;
        self.chunker.to_chunk(rest)
    }
}

impl<S, I, E> Reader for Records<S, I>
where
    S: Stream<Item = Result<I, E>> + Send,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    fn begin(&mut self, skip: u64, cut: Cut) {
        (self.skip, self.cut) = (skip, cut);
        // A record beyond the end of the last chunk may have been read already.
        if self.skip > 0 && self.splitter.pending() > 0 {
            self.skip = self.skip.saturating_sub(self.splitter.pending() as u64);
            drop(self.splitter.finish());
        }
        if self.skip > 0 && self.end.is_none() && self.failure.take().is_some() {
            self.skip -= 1;
        }
    }

    fn stop(&mut self) {
        self.end.get_or_insert(End::Stopped);
    }

    fn ahead(&self) -> u64 {
        self.splitter.pending() as u64 + u64::from(self.failure.is_some())
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        while self.end.is_none() && self.failure.is_none() && !self.has_enough() {
            match ready!(self.records.as_mut().poll_next(cx)) {
                Some(Ok(record)) => match self.push(&record) {
                    Ok(None) => {}
                    Ok(Some(chunk)) => return Poll::Ready(Some(Read::Chunk(chunk))),
                    Err(error) => self.reject(error, true),
                },
                Some(Err(error)) => {
                    self.splitter.pass_over();
                    self.reject(unreadable(error), false);
                }
                None => self.end = Some(End::Reached),
            }
        }
        // What was read before is still to be delivered.
        if let Some(chunk) = self.rest() {
            return Poll::Ready(Some(Read::Chunk(chunk)));
        }
        Poll::Ready(match (self.failure.take(), self.end) {
            (Some(error), Some(End::Failed)) => Some(Read::Failed {
                error,
                record: self.failed_record,
            }),
            (Some(error), _) => Some(Read::Rejected(error)),
            (None, end) => too_short(self.skip, end),
        })
    }
}

/// The failure of a source that ended before the records that a resumed run passes over.
fn too_short(skip: u64, end: Option<End>) -> Option<Read> {
    (skip > 0 && end == Some(End::Reached)).then(|| Read::Failed {
        error: Error::input(format!(
            "the input ends {skip} records before the place at which the checkpoint resumes; \
             resume with the same input"
        )),
        record: false,
    })
}

/// Reads prepared chunks.
struct Prepared<S> {
    chunks: Pin<Box<S>>,
    /// Parts of a chunk that was split.
    waiting: VecDeque<Chunk>,
    skip: u64,
    cut: Cut,
    end: Option<End>,
}

impl<S> Prepared<S> {
    /// Takes a chunk, or the part of it that is wanted now.
    fn take(&mut self, chunk: Chunk) -> Option<Chunk> {
        let chunk = match self.skip {
            0 => chunk,
            skip if skip >= chunk.records() => {
                self.skip -= chunk.records();
                return None;
            }
            skip => {
                self.skip = 0;
                split(&chunk, skip).map_or(chunk, |(_, rest)| rest)
            }
        };
        let most = self.cut.most();
        if most < chunk.records()
            && let Some((first, rest)) = split(&chunk, most)
        {
            self.waiting.push_front(rest);
            return Some(first);
        }
        Some(chunk)
    }
}

/// The parts keep the id that the caller gave to the whole.
pub(super) fn split(chunk: &Chunk, records: u64) -> Option<(Chunk, Chunk)> {
    let (first, second) = chunk.split_at(records)?;
    Some((first.with_id(chunk.id()), second.with_id(chunk.id())))
}

impl<S, E> Reader for Prepared<S>
where
    S: Stream<Item = Result<Chunk, E>> + Send,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    fn begin(&mut self, skip: u64, cut: Cut) {
        (self.skip, self.cut) = (skip, cut);
    }

    fn stop(&mut self) {
        self.end.get_or_insert(End::Stopped);
    }

    fn ahead(&self) -> u64 {
        self.waiting.iter().map(Chunk::records).sum()
    }

    fn has_own_ids(&self) -> bool {
        true
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        loop {
            let chunk = match self.waiting.pop_front() {
                Some(chunk) => chunk,
                None if self.end.is_some() => return Poll::Ready(too_short(self.skip, self.end)),
                None => match ready!(self.chunks.as_mut().poll_next(cx)) {
                    Some(Ok(chunk)) => chunk,
                    Some(Err(error)) => {
                        self.end = Some(End::Failed);
                        return Poll::Ready(Some(Read::Failed {
                            error: unreadable(error),
                            record: false,
                        }));
                    }
                    None => {
                        self.end = Some(End::Reached);
                        continue;
                    }
                },
            };
            if let Some(chunk) = self.take(chunk) {
                return Poll::Ready(Some(Read::Chunk(chunk)));
            }
        }
    }
}

fn unreadable<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Error {
    let error = error.into();
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => {
            Error::input(format!("the source failed to give a record: {error}")).with_cause(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::records::Layout;

    fn read(chunker: &Chunker) -> Vec<std::result::Result<String, String>> {
        let rows = ["[1.50,\"a\"]", "[2,null]", "[3,\"c\"]"].map(Ok::<_, Infallible>);
        let rows = stream::iter(rows.map(|row| row.map(JsonRow::new)));
        let source = Source::json_rows(["n", "text"], rows);
        let mut reader = source.open(chunker, BadRecords::AreDelivered).unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut chunks = Vec::new();
        reader.begin(0, Cut::Free);
        while let Poll::Ready(Some(read)) = reader.poll_read(&mut cx) {
            chunks.push(match read {
                Read::Chunk(chunk) => Ok(chunk.inputs().to_owned()),
                Read::Rejected(error) => Err(error.to_string()),
                Read::Failed { error, .. } => panic!("{error}"),
            });
        }
        chunks
    }

    #[test]
    fn what_was_begun_before_is_the_next_chunk_if_no_more_is_wanted() {
        let records = (0..100_u64).map(|n| BTreeMap::from([("n", n)]));
        let mut reader = Source::records(records)
            .open(&Chunker::new().chunk_bytes(100), BadRecords::EndTheRun)
            .unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut read = |cut| {
            reader.begin(0, cut);
            match reader.poll_read(&mut cx) {
                Poll::Ready(Some(Read::Chunk(chunk))) => (chunk.records(), reader.ahead()),
                other => panic!("{other:?}"),
            }
        };
        let (first, ahead) = read(Cut::Free);
        assert_eq!(ahead, 1, "the record that was too much after {first}");
        assert_eq!(read(Cut::AtMost(1)), (1, 0));
        assert_eq!(read(Cut::Exactly(1)), (1, 0));
        let (_, ahead) = read(Cut::Free);
        assert_eq!(ahead, 1);
        assert_eq!(read(Cut::Exactly(1)), (1, 0));
    }

    #[test]
    fn bad_records_are_numbered_as_they_come() {
        #[derive(serde::Serialize)]
        struct Number {
            n: f64,
        }
        let records = [
            Ok(Number { n: 1.0 }),
            Err("torn"),
            Ok(Number { n: f64::NAN }),
        ];
        let source = Source::try_records(records);
        let mut reader = source
            .open(&Chunker::new(), BadRecords::AreDelivered)
            .unwrap();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut rejected = Vec::new();
        reader.begin(0, Cut::Free);
        while let Poll::Ready(Some(read)) = reader.poll_read(&mut cx) {
            if let Read::Rejected(error) = read {
                rejected.push(error.to_string());
            }
        }
        assert_eq!(rejected.len(), 2);
        assert!(rejected[0].contains("torn"), "{rejected:?}");
        assert!(rejected[1].contains("record 2: column `n`"), "{rejected:?}");
    }

    #[test]
    fn rows_of_json_go_into_chunks_as_they_are() {
        assert_eq!(
            read(&Chunker::new().chunk_size(2)),
            [
                Ok(r#"[["n","text"],[1.50,"a"],[2,null]]"#.to_owned()),
                Ok(r#"[["n","text"],[3,"c"]]"#.to_owned()),
            ]
        );
        let refused = read(&Chunker::new().layout(Layout::Objects));
        assert_eq!(refused.len(), 3);
        assert!(refused[0].as_ref().unwrap_err().contains("has no names"));
    }
}

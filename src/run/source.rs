//! Where a run's records come from, and how they become chunks.

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
use crate::chunk::Splitter;
use crate::chunk::{Chunk, Chunker};
use crate::error::{Error, Result};

/// Records of type `I`, or chunks that are made already, from an iterator or an async stream.
///
/// Plain iterators of records need none of this: a run takes them as they are. A `Source` is for async streams, for
/// records whose reading can fail, and for prepared chunks.
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
/// A source is read only as fast as memory and service allow, and within an async task: an iterator that waits for a slow
/// disk or network keeps a worker thread of the runtime busy, so feed those through a stream.
#[must_use = "a source is read by a run"]
pub struct Source<I> {
    open: Open,
    length: Option<u64>,
    of: PhantomData<fn() -> I>,
}

type Open = Box<dyn FnOnce(&Chunker) -> Result<Box<dyn Reader>> + Send>;

/// What a run can read: any iterator over records, or a [`Source`].
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

    /// Records from an iterator that may fail. The first failure ends the input: what came before it is delivered, then
    /// the run ends with an error that has the failure as its source.
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
        let length = exact(&records);
        Self {
            open: Box::new(move |chunker| {
                let splitter = chunker.splitter(length)?;
                Ok(Box::new(Records {
                    records: Box::pin(records),
                    chunker: chunker.clone(),
                    splitter,
                    skip: 0,
                    cut: Cut::Free,
                    begun: false,
                    ended: false,
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
    /// On the wire they go by ids of the run's, which a resumed run can make again; results come back with the chunks'
    /// own ids.
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
            open: Box::new(move |_| {
                Ok(Box::new(Prepared {
                    chunks: Box::pin(chunks),
                    waiting: VecDeque::new(),
                    skip: 0,
                    cut: Cut::Free,
                    ended: false,
                }))
            }),
            length: None,
            of: PhantomData,
        }
    }
}

impl<I> Source<I> {
    /// The number of records, if the source tells it.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// The same source, read by what `wrap` makes of its reader.
    #[cfg(feature = "blocking")]
    pub(crate) fn map_reader<F>(self, wrap: F) -> Self
    where
        F: FnOnce(Box<dyn Reader>) -> Box<dyn Reader> + Send + 'static,
        I: 'static,
    {
        let open = self.open;
        Self {
            open: Box::new(move |chunker| Ok(wrap(open(chunker)?))),
            ..self
        }
    }

    pub(super) fn open(self, chunker: &Chunker) -> Result<Box<dyn Reader>> {
        (self.open)(chunker)
    }
}

impl<I> fmt::Debug for Source<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

fn exact<S: Stream>(records: &S) -> Option<usize> {
    match records.size_hint() {
        (least, Some(most)) if least == most => Some(most),
        _ => None,
    }
}

/// Gives chunks as they are asked for, one at a time.
pub(crate) trait Reader: Send {
    /// Asks for one more chunk, after so many records that are passed over.
    fn begin(&mut self, skip: u64, cut: Cut);

    /// The source is to be read no further; what is begun is still given.
    fn stop(&mut self);

    /// Whether the chunks came with ids of the caller's.
    fn has_own_ids(&self) -> bool {
        false
    }

    /// The chunk that was asked for; nothing at the end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk>>>;
}

/// Reads records.
struct Records<S> {
    records: Pin<Box<S>>,
    chunker: Chunker,
    splitter: Splitter,
    skip: u64,
    cut: Cut,
    /// The columns are known.
    begun: bool,
    ended: bool,
    failure: Option<Error>,
}

impl<S> Records<S> {
    fn push<I: Serialize>(&mut self, record: &I) -> Result<Option<Chunk>> {
        if self.skip > 0 && self.begun {
            self.skip -= 1;
            return Ok(None);
        }
        let encoded = match self.cut {
            _ if self.skip > 0 => {
                // The first record tells the columns, or is their header row and no record.
                if self.splitter.push_until(record, 1)?.is_some() {
                    self.skip -= 1;
                }
                None
            }
            Cut::Free => self.splitter.push(record)?,
            Cut::AtMost(most) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                match self.splitter.pending() + 1 >= most {
                    true => self.splitter.push_until(record, most)?,
                    false => self.splitter.push(record)?,
                }
            }
            Cut::Exactly(records) => {
                let records = usize::try_from(records).unwrap_or(usize::MAX);
                self.splitter.push_until(record, records)?
            }
        };
        self.begun = true;
        Ok(encoded.and_then(|encoded| self.chunker.to_chunk(encoded)))
    }
}

impl<S, I, E> Reader for Records<S>
where
    S: Stream<Item = Result<I, E>> + Send,
    I: Serialize,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    fn begin(&mut self, skip: u64, cut: Cut) {
        (self.skip, self.cut) = (skip, cut);
        // A record beyond the end of the last chunk may have been read already.
        if self.skip > 0 && self.splitter.pending() > 0 {
            self.skip = self.skip.saturating_sub(self.splitter.pending() as u64);
            drop(self.splitter.finish());
        }
    }

    fn stop(&mut self) {
        self.ended = true;
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk>>> {
        while !self.ended {
            let chunk = match ready!(self.records.as_mut().poll_next(cx)) {
                Some(Ok(record)) => self.push(&record),
                Some(Err(error)) => Err(unreadable(error)),
                None => break,
            };
            match chunk {
                Ok(None) => {}
                Ok(Some(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                Err(error) => {
                    self.ended = true;
                    // What was read before the failure is still to be delivered.
                    self.failure = Some(error);
                }
            }
        }
        self.ended = true;
        let rest = self
            .splitter
            .finish()
            .and_then(|rest| self.chunker.to_chunk(rest));
        Poll::Ready(rest.map(Ok).or_else(|| self.failure.take().map(Err)))
    }
}

/// Gives prepared chunks.
struct Prepared<S> {
    chunks: Pin<Box<S>>,
    /// Parts of a chunk that was split.
    waiting: VecDeque<Chunk>,
    skip: u64,
    cut: Cut,
    ended: bool,
}

impl<S> Prepared<S> {
    /// Takes a chunk, or what of it is wanted now.
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
        match self.cut {
            Cut::AtMost(most) | Cut::Exactly(most) if most < chunk.records() => {
                match split(&chunk, most) {
                    Some((first, rest)) => {
                        self.waiting.push_front(rest);
                        Some(first)
                    }
                    None => Some(chunk),
                }
            }
            _ => Some(chunk),
        }
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
        self.ended = true;
    }

    fn has_own_ids(&self) -> bool {
        true
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunk>>> {
        loop {
            let chunk = match self.waiting.pop_front() {
                Some(chunk) => chunk,
                None if self.ended => return Poll::Ready(None),
                None => match ready!(self.chunks.as_mut().poll_next(cx)) {
                    Some(Ok(chunk)) => chunk,
                    Some(Err(error)) => {
                        self.ended = true;
                        return Poll::Ready(Some(Err(unreadable(error))));
                    }
                    None => {
                        self.ended = true;
                        return Poll::Ready(None);
                    }
                },
            };
            if let Some(chunk) = self.take(chunk) {
                return Poll::Ready(Some(Ok(chunk)));
            }
        }
    }
}

fn unreadable<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Error {
    let error = error.into();
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => {
            Error::input(format!("the source of the records failed: {error}")).with_source(error)
        }
    }
}

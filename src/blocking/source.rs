//! Reads a source that may block on threads for blocking work.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::runtime::wait;
use crate::error::Error;
use crate::run::{Cut, Read, Reader, Source};

/// Returns the same source, read on the runtime's threads for blocking work.
pub(super) fn on_threads<I: 'static>(source: Source<I>) -> Source<I> {
    source.map_reader(|reader| Box::new(OnThreads::new(reader)))
}

/// Moves its reader to a thread for each chunk, and takes it back with the chunk.
struct OnThreads {
    reader: Location,
    stopped: bool,
    has_own_ids: bool,
}

/// The reader, and what it read.
type Back = (Box<dyn Reader>, Option<Read>);

/// Where the reader is.
enum Location {
    Here(Box<dyn Reader>),
    OnThread(JoinHandle<Back>),
    /// The thread was stopped, and the reader with it.
    Lost,
}

impl OnThreads {
    fn new(reader: Box<dyn Reader>) -> Self {
        Self {
            has_own_ids: reader.has_own_ids(),
            reader: Location::Here(reader),
            stopped: false,
        }
    }
}

impl Reader for OnThreads {
    fn begin(&mut self, skip: u64, cut: Cut) {
        // The run reads one chunk at a time, so the reader is here.
        if let Location::Here(reader) = &mut self.reader {
            reader.begin(skip, cut);
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        if let Location::Here(reader) = &mut self.reader {
            reader.stop();
        }
    }

    fn ahead(&self) -> u64 {
        match &self.reader {
            Location::Here(reader) => reader.ahead(),
            Location::OnThread(_) | Location::Lost => 0,
        }
    }

    fn has_own_ids(&self) -> bool {
        self.has_own_ids
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read>> {
        loop {
            match std::mem::replace(&mut self.reader, Location::Lost) {
                Location::Here(mut reader) => {
                    self.reader = Location::OnThread(spawn_blocking(move || {
                        let read = wait(poll_fn(|cx| reader.poll_read(cx)));
                        (reader, read)
                    }));
                }
                Location::OnThread(mut thread) => {
                    let Poll::Ready(back) = Pin::new(&mut thread).poll(cx) else {
                        self.reader = Location::OnThread(thread);
                        return Poll::Pending;
                    };
                    return match back {
                        Ok((mut reader, read)) => {
                            if self.stopped {
                                reader.stop();
                            }
                            self.reader = Location::Here(reader);
                            Poll::Ready(read)
                        }
                        // Panics as if the source was read here.
                        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                        Err(error) => Poll::Ready(Some(stopped(Some(error)))),
                    };
                }
                Location::Lost => return Poll::Ready(Some(stopped(None))),
            }
        }
    }
}

fn stopped(cause: Option<JoinError>) -> Read {
    let error = Error::input("the thread that reads the records was stopped");
    Read::Failed {
        error: match cause {
            Some(cause) => error.with_source(cause),
            None => error,
        },
        record: false,
    }
}

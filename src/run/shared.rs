//! What a run's driver and its consumer share.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::watch;
use tokio::time::Instant;

use super::machine::{Event, Key, Machine, Time};
use super::progress::{Progress, Rate};
use super::requests::RawResult;
use crate::error::Error;

/// A result that waits for the consumer.
pub(super) struct Waiting {
    pub(super) key: Key,
    pub(super) records: u64,
    pub(super) chunk_id: String,
    pub(super) result: RawResult,
}

pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) started: Instant,
    /// The number of records, if it is known.
    pub(super) total: Option<u64>,
    pub(super) service: Option<String>,
    pub(super) progress: watch::Sender<Progress>,
}

pub(super) struct State {
    pub(super) machine: Machine,
    /// Bounded by the memory budget: nothing is in it that is not charged there.
    pub(super) outbox: VecDeque<Waiting>,
    /// The ids of the batches, in order.
    pub(super) batches: Vec<String>,
    /// The driver has stopped.
    pub(super) over: bool,
    /// When that was.
    pub(super) ended_at: Option<Time>,
    /// What the consumer is told at the end.
    pub(super) error: Option<Error>,
    rate: Rate,
    /// The machine heard of something that the driver has not looked at.
    changed: bool,
    driver: Option<Waker>,
    consumer: Option<Waker>,
}

impl Shared {
    pub(super) fn new(
        machine: Machine,
        total: Option<u64>,
        service: Option<String>,
        batch: Option<String>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                machine,
                outbox: VecDeque::new(),
                batches: batch.into_iter().collect(),
                over: false,
                ended_at: None,
                error: None,
                rate: Rate::default(),
                changed: false,
                driver: None,
                consumer: None,
            }),
            started: Instant::now(),
            total,
            service,
            progress: watch::Sender::new(Progress {
                total_records: total,
                ..Progress::default()
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Time {
        self.started.elapsed()
    }

    /// An event from the consumer's side.
    pub(super) fn tell(&self, event: Event) {
        let waker = {
            let mut state = self.lock();
            state.machine.handle(self.now(), event);
            state.changed = true;
            state.driver.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.report();
    }

    /// Brings the progress up to date.
    pub(super) fn report(&self) {
        let progress = {
            let State { machine, rate, .. } = &mut *self.lock();
            Progress::new(machine, rate, self.total, self.now())
        };
        // Not told under the lock, since a reader may hold the old one and ask for the lock. So two
        // may come in the wrong order.
        self.progress.send_if_modified(|told| {
            let is_newer = progress.elapsed >= told.elapsed;
            if is_newer {
                *told = progress;
            }
            is_newer
        });
    }
}

impl State {
    /// Whether something happened that the driver has to look at; if not, the waker is kept.
    pub(super) fn take_changed(&mut self, waker: &Waker) -> bool {
        if std::mem::take(&mut self.changed) {
            return true;
        }
        self.driver = Some(waker.clone());
        false
    }

    pub(super) fn consumer_waits(&mut self, waker: &Waker) {
        self.consumer = Some(waker.clone());
    }

    pub(super) fn wake_consumer(&mut self) {
        if let Some(waker) = self.consumer.take() {
            waker.wake();
        }
    }
}

//! The state of a running emulator.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use crate::auth::Tokens;
use crate::catalogue::{Catalogue, Entry};
use crate::clock::Clock;
use crate::engine::Batch;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::responses::Reported;
use crate::settings::Settings;
use crate::shapes::Shapes;

/// The part that all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    state: Mutex<State>,
}

/// The part that changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) catalogue: Catalogue,
    pub(crate) batches: BTreeMap<String, BatchEntry>,
    /// The ids of the batches in the order of their creation.
    pub(crate) order: Vec<String>,
    pub(crate) shapes: Shapes,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) tokens: Tokens,
    pub(crate) request_ids: HashSet<Uuid>,
    pub(crate) random: fastrand::Rng,
}

/// A batch, and the request that created it.
#[derive(Debug)]
pub(crate) struct BatchEntry {
    pub(crate) batch: Batch,
    pub(crate) service: Arc<Entry>,
    pub(crate) selected: Vec<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) source_system: Option<String>,
    pub(crate) unique_record_key: Option<String>,
    pub(crate) configuration: BatchConfiguration,
    pub(crate) reported: Reported,
}

/// The configuration of a batch, as info shows it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct BatchConfiguration {
    pub(crate) initial_workers: usize,
    pub(crate) chunks_per_request: u32,
    pub(crate) runner_thread_count: u32,
    pub(crate) acceptable_error_percentage: u32,
    pub(crate) input_buffer_allocated_bytes: u64,
    pub(crate) output_buffer_allocated_bytes: u64,
    pub(crate) max_workers: usize,
}

impl Shared {
    pub(crate) fn new(mut settings: Settings) -> Self {
        let mut faults = Faults::default();
        faults.set_random(std::mem::take(&mut settings.random_faults));
        let state = State {
            catalogue: Catalogue::new(std::mem::take(&mut settings.services)),
            batches: BTreeMap::new(),
            order: Vec::new(),
            shapes: settings.shapes.clone(),
            faults,
            journal: Journal::new(settings.recorded_requests, settings.recorded_bytes),
            tokens: Tokens::default(),
            request_ids: HashSet::new(),
            random: settings
                .seed
                .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed),
        };
        Self {
            clock: Clock::new(settings.time_scale),
            state: Mutex::new(state),
            settings,
        }
    }

    /// The state. The lock is held for moments only: no record is computed and nothing is awaited
    /// under it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state as usable as it was.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The batch with this id, brought to this time.
    pub(crate) fn batch(&mut self, id: &str, now: Duration) -> Option<&mut BatchEntry> {
        let entry = self.batches.get_mut(id)?;
        entry.batch.advance(now);
        Some(entry)
    }
}

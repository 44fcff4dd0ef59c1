//! The way out: which results may be delivered, and which records have none.

use rangemap::RangeSet;

use super::chunks::ChunkState;
use super::event::{Action, Ending, FailedRecords, Key, Reason, Time};
use super::settings::Order;
use super::{Machine, Phase};

/// What was delivered, and what will not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Delivery {
    /// Records that the consumer took, in this run or in the one that it resumes.
    pub(super) done: RangeSet<u64>,
    /// Records that the run goes on without.
    pub(super) dropped: RangeSet<u64>,
    /// In input order: the next record to deliver.
    next: u64,
    /// Delivered records without an output.
    failed: u64,
    /// Whether any output could be read.
    any_readable: bool,
}

impl Delivery {
    pub(super) fn resumed(done: RangeSet<u64>) -> Self {
        Self {
            next: first_open(&done),
            done,
            ..Self::default()
        }
    }
}

/// The first record that is not among those that were delivered.
pub(super) fn first_open(done: &RangeSet<u64>) -> u64 {
    done.get(&0).map_or(0, |range| range.end)
}

impl Machine {
    /// Hands over the results that may be delivered now.
    pub(super) fn offer(&mut self) {
        let in_order = self.settings.order == Order::Input && !matches!(self.phase, Phase::Over(_));
        while let Some(key) = self.chunks.first_held() {
            if in_order {
                let Delivery {
                    done,
                    dropped,
                    next,
                    ..
                } = &mut self.delivery;
                while let Some(range) = done.get(next).or_else(|| dropped.get(next)) {
                    *next = range.end;
                }
                if key != *next {
                    return;
                }
                *next = key + self.chunks.get(key).map_or(0, |chunk| chunk.records);
            }
            self.chunks.set(key, ChunkState::Offered);
            self.agenda.act(Action::Deliver(key));
        }
    }

    /// The consumer took a result.
    pub(super) fn taken(&mut self, now: Time, key: Key, failed: FailedRecords) {
        if self.chunks.state(key) != Some(ChunkState::Offered) {
            return;
        }
        if self.consumer_holds_up() {
            // The service could not make progress before.
            self.progress.reset(now);
        }
        let Some(chunk) = self.chunks.remove(key) else {
            return;
        };
        let records = chunk.records;
        self.delivery.done.insert(key..key + records);
        self.totals.delivered.add(records);
        self.totals.failed += failed.at_service;
        self.totals.unreadable += failed.unreadable;
        self.totals.rejected += failed.rejected;
        self.delivery.failed += failed.total();
        self.delivery.any_readable |= failed.total() < records;
        if let Some(limit) = self.settings.failures
            && self.delivery.failed > limit
        {
            self.fail_by_results(Ending::TooManyFailures { limit });
        } else if failed.unreadable == records
            && !self.delivery.any_readable
            && !self.settings.allow_unreadable
        {
            self.fail_by_results(Ending::Unreadable);
        }
    }

    /// Ends the run because of results that were delivered. The consumer may take them long after
    /// everything else is done; a run that would have been complete is not, then.
    fn fail_by_results(&mut self, ending: Ending) {
        match self.phase {
            Phase::Running => self.end(ending),
            Phase::Ending(Ending::Complete, close) => self.phase = Phase::Ending(ending, close),
            Phase::Over(Ending::Complete) => {
                self.phase = Phase::Over(ending);
                self.totals.ending = Some(ending);
            }
            Phase::Ending(..) | Phase::Over(_) => {}
        }
    }

    /// The run goes on without this chunk.
    pub(super) fn drop_chunk(&mut self, key: Key, reason: Reason) {
        if let Some(chunk) = self.chunks.remove(key) {
            let records = key..key + chunk.records;
            self.delivery.dropped.insert(records.clone());
            self.totals.unfinished(records, reason);
            self.agenda.act(Action::Forget(key));
        }
    }

    /// The service will not compute this chunk: the run goes on without it or ends, as set.
    pub(super) fn give_up(&mut self, key: Key, ending: Ending) {
        if self.settings.keep_going {
            self.drop_chunk(key, ending.reason_for(key));
        } else {
            self.end(ending);
        }
    }

    /// Lists what has no result at the end.
    pub(super) fn list_unfinished(&mut self, ending: Ending) {
        let mut unfinished = std::mem::take(&mut self.totals.unfinished);
        for (key, chunk) in self.chunks.iter() {
            if !chunk.has_result() {
                unfinished.push((key..key + chunk.records, ending.reason_for(key)));
            }
        }
        unfinished.sort_by_key(|(records, _)| records.start);
        for (records, reason) in unfinished {
            self.totals.unfinished(records, reason);
        }
    }
}

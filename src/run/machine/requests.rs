//! The requests in flight, and how each kind of request fares.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Ending, Failure, Request, RequestId, RequestKind, Time};
use super::settings::Settings;
#[cfg(test)]
use super::tests::shift::Shift;

/// A request that has no response yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct InFlight {
    pub(super) request: Request,
    pub(super) issued: Time,
    /// No push was in flight when it was issued.
    quiet: bool,
}

/// The failures of one kind of request since it last worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Health {
    failing_since: Option<Time>,
    failures: u32,
    not_before: Time,
}

/// All requests of a run.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    in_flight: BTreeMap<RequestId, InFlight>,
    next: RequestId,
    last_push: RequestId,
    health: [Health; 5],
    /// No request at all before this time (429).
    all_not_before: Time,
    /// Whether the service, or a gateway before it, has ever responded.
    contacted: bool,
    /// When the latest request was issued that succeeded.
    last_contact: Time,
    /// Spreads the waits of many runs.
    random: fastrand::Rng,
}

impl Requests {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            in_flight: BTreeMap::new(),
            next: 1,
            last_push: 0,
            health: Default::default(),
            all_not_before: Time::ZERO,
            contacted: false,
            last_contact: Time::ZERO,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Issues a request.
    pub(super) fn issue(&mut self, now: Time, request: Request) -> RequestId {
        let id = self.next;
        self.next += 1;
        let quiet = self.count(RequestKind::Push) == 0;
        if request.kind() == RequestKind::Push {
            self.last_push = id;
        }
        // Time in which nothing was tried, because nothing was to be asked, is not part of an
        // outage.
        let health = &mut self.health[request.kind() as usize];
        let idle = now.saturating_sub(health.not_before);
        if let Some(since) = &mut health.failing_since {
            *since += idle;
            health.not_before = now;
        }
        let issued = now;
        self.in_flight.insert(
            id,
            InFlight {
                request,
                issued,
                quiet,
            },
        );
        id
    }

    /// The request that this response belongs to, unless it was given up.
    pub(super) fn finish(&mut self, id: RequestId) -> Option<InFlight> {
        self.in_flight.remove(&id)
    }

    /// Gives up all requests in flight: their responses mean nothing any more.
    pub(super) fn abandon(&mut self) {
        self.in_flight.clear();
    }

    /// The number of the next request.
    pub(super) fn next(&self) -> RequestId {
        self.next
    }

    pub(super) fn count(&self, kind: RequestKind) -> usize {
        self.of(kind).count()
    }

    fn of(&self, kind: RequestKind) -> impl Iterator<Item = &InFlight> {
        self.in_flight
            .values()
            .filter(move |flight| flight.request.kind() == kind)
    }

    /// Whether no push overlapped this request, so that the service's counts can be compared with
    /// the run's.
    pub(super) fn was_quiet(&self, id: RequestId, flight: &InFlight) -> bool {
        flight.quiet && self.last_push < id
    }

    /// The most chunks that the pulls in flight may return.
    pub(super) fn chunks_asked_for(&self) -> u64 {
        self.of(RequestKind::Pull)
            .map(|flight| match flight.request {
                Request::Pull(max) => u64::from(max),
                _ => 0,
            })
            .sum()
    }

    /// A request succeeded.
    pub(super) fn succeeded(&mut self, flight: &InFlight) {
        self.works(flight.request.kind());
        self.contacted = true;
        self.last_contact = self.last_contact.max(flight.issued);
    }

    /// This kind of request is known to work, however that became known.
    pub(super) fn works(&mut self, kind: RequestKind) {
        self.health[kind as usize] = Health::default();
    }

    /// A request failed, and another is sent after a wait; or the run ends in this way, since this
    /// kind has failed for longer than the outage limit, or the service has never responded.
    pub(super) fn failed(
        &mut self,
        now: Time,
        kind: RequestKind,
        failure: Failure,
        settings: &Settings,
    ) -> Option<Ending> {
        self.contacted |= failure.responded;
        let random = self.random.f64();
        let health = &mut self.health[kind as usize];
        let since = *health.failing_since.get_or_insert(now);
        let limit = match self.contacted {
            true => settings.outage,
            false => settings.outage.min(settings.first_response),
        };
        let deadline = since.saturating_add(limit);
        health.failures = health.failures.saturating_add(1);
        let own = now.saturating_add(settings.backoff().delay(health.failures, random));
        let asked = failure.retry_after.map(|wait| now.saturating_add(wait));
        health.not_before = match asked {
            Some(asked) if asked > own => asked,
            // One last attempt at the deadline.
            _ if now < deadline => own.min(deadline.max(now.saturating_add(settings.backoff_min))),
            _ => own,
        };
        if now < deadline && asked.is_none_or(|asked| asked <= deadline) {
            None
        } else if self.contacted {
            Some(Ending::Outage(kind))
        } else {
            Some(Ending::Unreachable(kind))
        }
    }

    /// Holds back all kinds of requests until then.
    pub(super) fn delay_all(&mut self, until: Time) {
        self.all_not_before = self.all_not_before.max(until);
    }

    /// Holds back one kind of request until then, without counting a failure.
    pub(super) fn delay(&mut self, kind: RequestKind, until: Time) {
        let health = &mut self.health[kind as usize];
        health.not_before = health.not_before.max(until);
    }

    /// Ends all delays: a run that ends waits for nothing but its last request.
    pub(super) fn end_delays(&mut self) {
        self.all_not_before = Time::ZERO;
        for health in &mut self.health {
            health.not_before = Time::ZERO;
        }
    }

    /// When the next request of this kind may be sent.
    pub(super) fn not_before(&self, kind: RequestKind) -> Time {
        self.health[kind as usize]
            .not_before
            .max(self.all_not_before)
    }

    /// Whether the last request of this kind failed.
    pub(super) fn is_failing(&self, kind: RequestKind) -> bool {
        self.health[kind as usize].failing_since.is_some()
    }

    /// Whether a kind of request fails that the run cannot do without.
    pub(super) fn in_trouble(&self) -> bool {
        [RequestKind::Create, RequestKind::Push, RequestKind::Pull]
            .into_iter()
            .any(|kind| self.is_failing(kind))
    }

    /// When the latest request was issued that succeeded.
    pub(super) fn last_contact(&self) -> Time {
        self.last_contact
    }

    /// Time in which nothing was tried is not part of an outage.
    pub(super) fn resumed_late(&mut self, now: Time, late: Duration) {
        for health in &mut self.health {
            health.failing_since = health.failing_since.map(|since| now.min(since + late));
            // Otherwise `issue` would count the same time again, and a deadline could move on
            // faster than the time.
            if health.not_before < now {
                health.not_before = now.min(health.not_before + late);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn shift(&mut self, shift: &Shift) {
        self.in_flight = std::mem::take(&mut self.in_flight)
            .into_iter()
            .map(|(mut id, mut flight)| {
                shift.id(&mut id);
                shift.time(&mut flight.issued);
                (id, flight)
            })
            .collect();
        shift.id(&mut self.next);
        shift.id(&mut self.last_push);
        for health in &mut self.health {
            if let Some(since) = &mut health.failing_since {
                shift.time(since);
            }
            shift.time(&mut health.not_before);
        }
        shift.time(&mut self.all_not_before);
        shift.time(&mut self.last_contact);
        self.random = fastrand::Rng::with_seed(0);
    }
}

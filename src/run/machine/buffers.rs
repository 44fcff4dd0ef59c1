//! The service's buffers by the latest responses, and what may therefore be pushed.

use super::event::{Observation, RequestId, Time};
#[cfg(test)]
use super::tests::shift::Shift;

/// A push that the latest response need not have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Uncounted {
    push: RequestId,
    bytes: u64,
    /// The number of the first request that was issued after the response to this push.
    settled: Option<RequestId>,
}

/// The input and the output buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Buffers {
    /// Bytes that the input buffer takes, and the request whose response said so.
    input: Option<(u64, RequestId)>,
    /// When it said so.
    input_at: Time,
    /// The same of the output buffer.
    output: Option<(u64, RequestId)>,
    output_tight: bool,
    /// The largest input buffer seen, in bytes.
    capacity: u64,
    /// Whether `capacity` includes what was in the buffer.
    capacity_counts_used: bool,
    /// At most the pushes in flight and those since the latest response about the input buffer.
    uncounted: Vec<Uncounted>,
}

impl Buffers {
    /// A push is sent.
    pub(super) fn pushed(&mut self, push: RequestId, bytes: u64) {
        self.uncounted.push(Uncounted {
            push,
            bytes,
            settled: None,
        });
    }

    /// A push was accepted, or its response was lost: requests from `next` on count it.
    pub(super) fn settled(&mut self, push: RequestId, next: RequestId) {
        if self.input.is_none() {
            // The first response about the buffer will count it.
            return self.not_accepted(push);
        }
        if let Some(uncounted) = self.uncounted.iter_mut().find(|other| other.push == push) {
            uncounted.settled = Some(next);
        }
    }

    /// A push was not accepted.
    pub(super) fn not_accepted(&mut self, push: RequestId) {
        self.uncounted.retain(|other| other.push != push);
    }

    /// A response about the batch. `asked`: it is the one that was requested to learn about the
    /// input buffer.
    pub(super) fn observe(
        &mut self,
        now: Time,
        request: RequestId,
        observation: &Observation,
        asked: bool,
    ) {
        if let Some(remaining) = observation.input_remaining {
            let total = remaining.saturating_add(observation.input_used.unwrap_or(0));
            self.capacity = self.capacity.max(total);
            self.capacity_counts_used |= observation.input_used.is_some();
            // A response that a later one has overtaken says nothing new. A service that has shown
            // no buffer at all yet (nothing used, nothing left) has not set it up.
            if self.capacity > 0 && self.input.is_none_or(|(_, latest)| latest < request) {
                self.input = Some((remaining, request));
                self.input_at = now;
                self.uncounted.retain(|push| {
                    push.push != request && push.settled.is_none_or(|next| next > request)
                });
            }
        } else if asked {
            // The service no longer says it.
            self.input = None;
            self.uncounted.retain(|push| push.settled.is_none());
        }
        if let Some(remaining) = observation.output_remaining
            && self.output.is_none_or(|(_, latest)| latest < request)
        {
            self.output = Some((remaining, request));
            // Nine tenths full. Without the used bytes, only a full buffer can be recognised.
            self.output_tight = match observation.output_used {
                Some(used) => used > 0 && used / 9 >= remaining,
                None => remaining == 0 && observation.chunks_available != Some(0),
            };
        }
    }

    /// Bytes that are sure to fit into the input buffer; `None` if the service does not say.
    pub(super) fn room(&self) -> Option<u64> {
        let (remaining, _) = self.input?;
        Some(remaining.saturating_sub(self.uncounted.iter().map(|push| push.bytes).sum()))
    }

    /// When the service last said it.
    pub(super) fn room_as_of(&self) -> Time {
        self.input_at
    }

    /// The size of the whole input buffer, if a chunk of `bytes` can never fit into it. `idle`:
    /// nothing of this run is in it.
    pub(super) fn too_small_for(&self, bytes: u64, idle: bool) -> Option<u64> {
        (self.capacity > 0 && bytes > self.capacity && (self.capacity_counts_used || idle))
            .then_some(self.capacity)
    }

    /// Whether the output buffer is nearly full, so that pulling comes first.
    pub(super) fn output_tight(&self) -> bool {
        self.output_tight
    }

    /// A pull returned nothing, so pulling first cannot help.
    pub(super) fn nothing_to_pull(&mut self) {
        self.output_tight = false;
    }

    /// Bytes that the output buffer still takes.
    pub(super) fn output_room(&self) -> Option<u64> {
        self.output.map(|(remaining, _)| remaining)
    }

    #[cfg(test)]
    pub(super) fn shift(&mut self, shift: &Shift) {
        for (_, latest) in [&mut self.input, &mut self.output].into_iter().flatten() {
            shift.id(latest);
        }
        shift.time(&mut self.input_at);
        for push in &mut self.uncounted {
            shift.id(&mut push.push);
            push.settled.iter_mut().for_each(|next| shift.id(next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(used: u64, remaining: u64) -> Observation {
        Observation {
            input_used: Some(used),
            input_remaining: Some(remaining),
            ..Observation::default()
        }
    }

    #[test]
    fn a_push_counts_until_a_response_must_have_counted_it() {
        let mut buffers = Buffers::default();
        assert_eq!(buffers.room(), None);
        buffers.observe(Time::ZERO, 1, &observation(0, 1000), false);
        buffers.pushed(2, 300);
        assert_eq!(buffers.room(), Some(700));
        // Request 3 was sent while the push was under way; it may or may not count it.
        buffers.settled(2, 4);
        buffers.observe(Time::ZERO, 3, &observation(300, 700), false);
        assert_eq!(buffers.room(), Some(400), "on the safe side");
        buffers.observe(Time::ZERO, 4, &observation(300, 700), false);
        assert_eq!(buffers.room(), Some(700));
        buffers.observe(Time::ZERO, 3, &observation(0, 1000), false);
        assert_eq!(
            buffers.room(),
            Some(700),
            "an overtaken response changes nothing"
        );
    }

    #[test]
    fn a_pushs_own_response_counts_it() {
        let mut buffers = Buffers::default();
        buffers.observe(Time::ZERO, 1, &observation(0, 1000), false);
        buffers.pushed(2, 300);
        buffers.pushed(3, 100);
        buffers.settled(2, 4);
        buffers.observe(Time::ZERO, 2, &observation(300, 700), false);
        assert_eq!(
            buffers.room(),
            Some(600),
            "only the other push is left to count"
        );
        buffers.not_accepted(3);
        assert_eq!(buffers.room(), Some(700));
    }

    #[test]
    fn capacity_is_the_most_ever_seen() {
        let mut buffers = Buffers::default();
        buffers.observe(Time::ZERO, 1, &observation(0, 0), false);
        assert_eq!(buffers.room(), None, "not set up yet");
        buffers.observe(Time::ZERO, 2, &observation(600, 300), false);
        assert_eq!(buffers.too_small_for(900, false), None);
        assert_eq!(buffers.too_small_for(901, false), Some(900));
        let mut silent = Buffers::default();
        silent.observe(
            Time::ZERO,
            1,
            &Observation {
                input_remaining: Some(300),
                ..Observation::default()
            },
            false,
        );
        assert_eq!(
            silent.too_small_for(400, false),
            None,
            "the rest may be in use"
        );
        assert_eq!(silent.too_small_for(400, true), Some(300));
    }

    #[test]
    fn a_nearly_full_output_buffer_is_recognised() {
        for (used, remaining, tight) in [
            (0, 0, false),
            (0, 10, false),
            (89, 11, false),
            (90, 10, true),
            (100, 0, true),
        ] {
            let mut buffers = Buffers::default();
            let observation = Observation {
                output_used: Some(used),
                output_remaining: Some(remaining),
                ..Observation::default()
            };
            buffers.observe(Time::ZERO, 1, &observation, false);
            assert_eq!(
                buffers.output_tight(),
                tight,
                "{used} used, {remaining} left"
            );
        }
    }

    #[test]
    fn the_list_of_pushes_does_not_grow_with_a_service_that_never_tells() {
        let mut buffers = Buffers::default();
        for push in 1..1000 {
            buffers.pushed(push, 10);
            buffers.settled(push, push + 1);
            buffers.observe(Time::ZERO, push, &Observation::default(), false);
            assert!(buffers.uncounted.is_empty());
        }
    }

    #[test]
    fn a_service_that_stops_telling_counts_as_one_that_does_not() {
        let mut buffers = Buffers::default();
        buffers.observe(Time::ZERO, 1, &observation(0, 1000), false);
        buffers.pushed(2, 900);
        buffers.settled(2, 3);
        buffers.observe(Time::ZERO, 3, &Observation::default(), false);
        assert_eq!(buffers.room(), Some(100));
        buffers.observe(Time::ZERO, 4, &Observation::default(), true);
        assert_eq!(buffers.room(), None);
    }
}

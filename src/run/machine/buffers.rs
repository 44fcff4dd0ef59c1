//! What is known of the service's buffers, and what may therefore be pushed.

use super::event::{Facts, RequestId, Time};

/// A push that the last answer need not have counted.
#[derive(Clone, Copy, Debug)]
struct Unseen {
    request: RequestId,
    bytes: u64,
    /// The number of the first request issued after this push was answered.
    settled: Option<RequestId>,
}

/// The input and the output buffer by what the latest answer said.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Bytes that the input buffer takes, and the request whose answer said so.
    input: Option<(u64, RequestId)>,
    /// When it said so.
    input_at: Time,
    output: Option<(u64, RequestId)>,
    output_tight: bool,
    /// The largest input buffer seen, in bytes.
    capacity: u64,
    /// Whether `capacity` counts what is in the buffer as well.
    capacity_counts_used: bool,
    unseen: Vec<Unseen>,
}

impl Buffers {
    pub(super) fn pushed(&mut self, request: RequestId, bytes: u64) {
        self.unseen.push(Unseen {
            request,
            bytes,
            settled: None,
        });
    }

    /// A push was answered, or its answer was lost: requests from `next` on see what came of it.
    pub(super) fn settled(&mut self, request: RequestId, next: RequestId) {
        if let Some(push) = self.unseen.iter_mut().find(|push| push.request == request) {
            push.settled = Some(next);
        }
    }

    /// A push was surely not taken.
    pub(super) fn not_taken(&mut self, request: RequestId) {
        self.unseen.retain(|push| push.request != request);
    }

    /// Takes over what the answer to `request` says.
    pub(super) fn saw(&mut self, now: Time, request: RequestId, facts: &Facts) {
        if let Some(remaining) = facts.input_remaining {
            let total = remaining.saturating_add(facts.input_used.unwrap_or(0));
            self.capacity = self.capacity.max(total);
            self.capacity_counts_used |= facts.input_used.is_some();
            // An answer overtaken by a later one says nothing new. A service that has shown no buffer at all yet
            // (nothing used, nothing left) has not set it up.
            if self.capacity > 0 && self.input.is_none_or(|(_, latest)| latest < request) {
                self.input = Some((remaining, request));
                self.input_at = now;
                self.unseen.retain(|push| {
                    push.request != request && push.settled.is_none_or(|next| next > request)
                });
            }
        }
        if let Some(remaining) = facts.output_remaining
            && self.output.is_none_or(|(_, latest)| latest < request)
        {
            self.output = Some((remaining, request));
            // Nine tenths full. Where the used bytes are not said, only a full one can be told.
            self.output_tight = match facts.output_used {
                Some(used) => used > 0 && used / 9 >= remaining,
                None => remaining == 0 && facts.chunks_available != Some(0),
            };
        }
    }

    /// Bytes that surely fit into the input buffer; `None` if the service has not said.
    pub(super) fn room(&self) -> Option<u64> {
        let (remaining, _) = self.input?;
        Some(remaining.saturating_sub(self.unseen.iter().map(|push| push.bytes).sum()))
    }

    /// When the room was last heard of.
    pub(super) fn room_as_of(&self) -> Time {
        self.input_at
    }

    /// The size of the whole input buffer, if a chunk of `bytes` can never fit into it. `idle` says that nothing of ours
    /// is in it.
    pub(super) fn too_small_for(&self, bytes: u64, idle: bool) -> Option<u64> {
        (self.capacity > 0 && bytes > self.capacity && (self.capacity_counts_used || idle))
            .then_some(self.capacity)
    }

    /// Whether the output buffer is nearly full, so that pulling comes first.
    pub(super) fn output_tight(&self) -> bool {
        self.output_tight
    }

    /// A pull found nothing, so there is nothing that pulling first could help.
    pub(super) fn nothing_to_pull(&mut self) {
        self.output_tight = false;
    }

    /// Bytes that the output buffer still takes.
    pub(super) fn output_room(&self) -> Option<u64> {
        self.output.map(|(remaining, _)| remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(used: u64, remaining: u64) -> Facts {
        Facts {
            input_used: Some(used),
            input_remaining: Some(remaining),
            ..Facts::default()
        }
    }

    #[test]
    fn a_push_counts_until_an_answer_must_have_seen_it() {
        let mut buffers = Buffers::default();
        assert_eq!(buffers.room(), None);
        buffers.saw(Time::ZERO, 1, &facts(0, 1000));
        buffers.pushed(2, 300);
        assert_eq!(buffers.room(), Some(700));
        // Request 3 was sent while the push was under way; it may or may not count it.
        buffers.settled(2, 4);
        buffers.saw(Time::ZERO, 3, &facts(300, 700));
        assert_eq!(buffers.room(), Some(400), "on the safe side");
        buffers.saw(Time::ZERO, 4, &facts(300, 700));
        assert_eq!(buffers.room(), Some(700));
        buffers.saw(Time::ZERO, 3, &facts(0, 1000));
        assert_eq!(
            buffers.room(),
            Some(700),
            "an overtaken answer changes nothing"
        );
    }

    #[test]
    fn a_pushs_own_answer_counts_it() {
        let mut buffers = Buffers::default();
        buffers.saw(Time::ZERO, 1, &facts(0, 1000));
        buffers.pushed(2, 300);
        buffers.pushed(3, 100);
        buffers.settled(2, 4);
        buffers.saw(Time::ZERO, 2, &facts(300, 700));
        assert_eq!(
            buffers.room(),
            Some(600),
            "only the other push is left to count"
        );
        buffers.not_taken(3);
        assert_eq!(buffers.room(), Some(700));
    }

    #[test]
    fn capacity_is_the_most_ever_seen() {
        let mut buffers = Buffers::default();
        buffers.saw(Time::ZERO, 1, &facts(0, 0));
        assert_eq!(buffers.room(), None, "not set up yet");
        buffers.saw(Time::ZERO, 2, &facts(600, 300));
        assert_eq!(buffers.too_small_for(900, false), None);
        assert_eq!(buffers.too_small_for(901, false), Some(900));
        let mut silent = Buffers::default();
        silent.saw(
            Time::ZERO,
            1,
            &Facts {
                input_remaining: Some(300),
                ..Facts::default()
            },
        );
        assert_eq!(
            silent.too_small_for(400, false),
            None,
            "the rest may be in use"
        );
        assert_eq!(silent.too_small_for(400, true), Some(300));
    }

    #[test]
    fn a_nearly_full_output_buffer_is_told() {
        for (used, remaining, tight) in [
            (0, 0, false),
            (0, 10, false),
            (89, 11, false),
            (90, 10, true),
            (100, 0, true),
        ] {
            let mut buffers = Buffers::default();
            let facts = Facts {
                output_used: Some(used),
                output_remaining: Some(remaining),
                ..Facts::default()
            };
            buffers.saw(Time::ZERO, 1, &facts);
            assert_eq!(
                buffers.output_tight(),
                tight,
                "{used} used, {remaining} left"
            );
        }
    }
}

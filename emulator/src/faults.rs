//! Faults on demand, by script or by chance.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::Operation;

/// Something that goes wrong with one request.
///
/// "Before" means that the request has no effect. "After" means that it has its whole effect,
/// although the client does not learn of it. Durations are real ones (tokio's clock), except in
/// [`StallWorkers`](Self::StallWorkers).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The request has no effect and gets this response.
    RespondBefore(Response),
    /// The request has its effect and gets this response in place of the right one.
    RespondAfter(Response),
    /// The request has no effect; the connection is cut without a response.
    CutBefore,
    /// The request has its effect; the connection is cut without a response. The results in the
    /// response to a pull are lost.
    CutAfter,
    /// The request has its effect; the connection is cut in the middle of the response's body.
    Truncate,
    /// The request has no effect and never gets a response.
    HangBefore,
    /// The request has its effect and never gets a response.
    HangAfter,
    /// The request has its effect; the response comes after this delay.
    Slow(Duration),
    /// The workers of the batch stand still for this long in emulated time. The request itself is
    /// handled as usual.
    StallWorkers(Duration),
    /// A later pull hands out the results of this pull once more. If every pull repeats its
    /// results, they come for ever.
    RepeatResults,
    /// Each result of this pull is in its response twice.
    DoubleResults,
    /// The chunks of this push are accepted and counted as submitted, but never computed.
    LoseChunks,
    /// The request has its effect; one byte within a text of the response is not valid UTF-8.
    InvalidUtf8,
    /// The idle time-out closes the batch just before the request.
    TimeOut,
    /// The batch fails just before the request.
    Fail,
    /// Somebody else closes the batch just before the request.
    CloseByOther,
    /// Somebody else cancels the batch just before the request.
    CancelByOther,
    /// Every token issued so far becomes invalid just before the request.
    RevokeTokens,
}

impl From<Response> for Fault {
    /// [`RespondBefore`](Self::RespondBefore).
    fn from(response: Response) -> Self {
        Self::RespondBefore(response)
    }
}

/// A ready-made response, for [`Fault::RespondBefore`] and [`Fault::RespondAfter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: ResponseBody,
    /// How many bytes of the body are sent before the connection is cut.
    pub(crate) cut_after: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResponseBody {
    Given(Bytes),
    EchoOfRequest,
}

/// Dates of HTTP end with the year 9999; this stays well before.
const FAR_AHEAD: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Response {
    /// A response with this status and a JSON body that names it. A status that HTTP does not know
    /// becomes 500.
    pub fn status(status: u16) -> Self {
        Self::json(
            status,
            format!(
                "{{\"error\":{{\"code\":\"injected\",\"message\":\"injected response {status}\"}}}}"
            ),
        )
    }

    /// A response with this status and no body.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: ResponseBody::Given(Bytes::new()),
            cut_after: None,
        }
    }

    /// An HTML page with this status, like that of a gateway or a login page. With 200 it looks
    /// like a success.
    pub fn html(status: u16) -> Self {
        Self::empty(status)
            .header("content-type", "text/html; charset=utf-8")
            .body("<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>")
    }

    /// Status 200 and a body that claims to be JSON and breaks off.
    pub fn garbage() -> Self {
        Self::json(200, "{\"data\":[{\"id\":\"x\",\"outputs\":[{")
    }

    /// This status and this JSON text.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self::empty(status)
            .header("content-type", "application/json")
            .body(body.into())
    }

    /// A temporary redirect (307) to another address.
    pub fn redirect(location: impl Into<String>) -> Self {
        Self::empty(307).header("location", location)
    }

    /// This status and a body that repeats the request with all its headers, credentials included,
    /// as careless gateways do.
    pub fn echo_of_request(status: u16) -> Self {
        Self {
            body: ResponseBody::EchoOfRequest,
            ..Self::empty(status).header("content-type", "text/plain")
        }
    }

    /// Adds a header. One that HTTP can't carry is left out.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces the body. [`header`](Self::header) sets its type and encoding.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = ResponseBody::Given(body.into());
        self
    }

    /// Announces the length of the whole body and cuts the connection after this many bytes of it.
    ///
    /// With the length of the body or more, nothing is cut.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }

    /// Adds `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("retry-after", seconds.to_string())
    }

    /// Adds `x-retry-after` in seconds, with decimals if there are any.
    #[must_use]
    pub fn x_retry_after(self, after: Duration) -> Self {
        self.header("x-retry-after", after.as_secs_f64().to_string())
    }

    /// Adds `Retry-After` as the date that is this far ahead by the machine's clock, at most a
    /// hundred years.
    #[must_use]
    pub fn retry_after_date(self, ahead: Duration) -> Self {
        let when = SystemTime::now()
            .checked_add(ahead.min(FAR_AHEAD))
            .unwrap_or_else(SystemTime::now);
        self.header("retry-after", httpdate::fmt_http_date(when))
    }
}

/// Faults by chance: the probability of each kind for a request.
///
/// What happens to the nth request to an operation depends on the seed, the operation and n alone,
/// so a schedule repeats as far as the client repeats its requests. The probabilities add up; what
/// is left of 1 is the share that goes well. Several sets give each operation rates of its own.
///
/// ```
/// use cspark_emulator::{Operation, RandomFaults};
///
/// let some_of_each = RandomFaults { cut_after: 0.3, ..RandomFaults::mixed(42, 0.02) };
/// // Every second push finds the service unavailable, however often that happens in a row.
/// let pushes = RandomFaults {
///     unavailable: 0.5,
///     most_in_a_row: u32::MAX,
///     operations: vec![Operation::Push],
///     ..RandomFaults::none(42)
/// };
/// # let _ = (some_of_each, pushes);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RandomFaults {
    /// Where the random numbers start.
    pub seed: u64,
    /// 502, 503 or 504 before the request has its effect.
    pub unavailable: f64,
    /// 429 with `Retry-After`, `x-retry-after` or neither, before the request has its effect.
    pub rate_limited: f64,
    /// [`Fault::CutBefore`].
    pub cut_before: f64,
    /// [`Fault::CutAfter`].
    pub cut_after: f64,
    /// [`Fault::Truncate`].
    pub truncated: f64,
    /// HTML or broken JSON with status 200, after the request has its effect.
    pub malformed: f64,
    /// A gateway's 502 or 504 after the request has its effect.
    pub gateway_after: f64,
    /// [`Fault::Slow`], by [`delay`](Self::delay).
    pub slow: f64,
    /// [`Fault::StallWorkers`], for [`stall`](Self::stall).
    pub stalled: f64,
    /// [`Fault::RepeatResults`].
    pub repeated: f64,
    /// [`Fault::TimeOut`].
    pub timed_out: f64,
    /// [`Fault::RevokeTokens`].
    pub revoked: f64,
    /// How late a slow response is (real time).
    pub delay: Duration,
    /// How long workers stand still (emulated time).
    pub stall: Duration,
    /// The wait that `x-retry-after` asks for, if a 429 carries it.
    pub retry_after: Duration,
    /// After this many faults in a row, the next request to that operation goes well.
    pub most_in_a_row: u32,
    /// After this many faults in all, everything goes well.
    pub most_in_all: u64,
    /// The operations that can go wrong.
    pub operations: Vec<Operation>,
}

/// Makes a fault of one kind.
type Make = fn(&RandomFaults, &mut fastrand::Rng) -> Fault;

impl RandomFaults {
    /// No fault at all, to set the probabilities one by one.
    ///
    /// Its operations are describe, info, status, push, pull, close and cancel. Create and the
    /// token endpoint are left out, because after a lost create a client has nothing to go on with;
    /// name them in [`operations`](Self::operations) if wanted.
    pub fn none(seed: u64) -> Self {
        use Operation::{Cancel, Close, Describe, Info, Pull, Push, Status};
        Self {
            seed,
            unavailable: 0.0,
            rate_limited: 0.0,
            cut_before: 0.0,
            cut_after: 0.0,
            truncated: 0.0,
            malformed: 0.0,
            gateway_after: 0.0,
            slow: 0.0,
            stalled: 0.0,
            repeated: 0.0,
            timed_out: 0.0,
            revoked: 0.0,
            delay: Duration::from_millis(5),
            stall: Duration::from_secs(10),
            retry_after: Duration::from_millis(5),
            most_in_a_row: 3,
            most_in_all: u64::MAX,
            operations: vec![Describe, Info, Status, Push, Pull, Close, Cancel],
        }
    }

    /// Every kind that a client can survive within one batch, each with this probability.
    ///
    /// These are all kinds except time-outs of the batch and revoked tokens.
    pub fn mixed(seed: u64, probability: f64) -> Self {
        let p = probability;
        Self {
            unavailable: p,
            rate_limited: p,
            cut_before: p,
            cut_after: p,
            truncated: p,
            malformed: p,
            gateway_after: p,
            slow: p,
            stalled: p,
            repeated: p,
            ..Self::none(seed)
        }
    }

    /// The fault, if any, for the nth request (from 1) to an operation.
    fn draw(&self, operation: Operation, nth: u64) -> Option<Fault> {
        // Odd factors spread the three numbers over the seed's bits.
        let mixed = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ (operation.index() as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03)
            ^ nth.wrapping_mul(0x8CB9_2BA7_2F3D_8DD7);
        let mut random = fastrand::Rng::with_seed(mixed);
        let mut left = random.f64();
        let kinds: [(f64, Make); 12] = [
            (self.unavailable, |_, random| {
                Fault::RespondBefore(Response::status(502 + random.u16(..3)))
            }),
            (self.rate_limited, |this, random| {
                let response = Response::status(429);
                Fault::RespondBefore(match random.u8(..4) {
                    0 => response,
                    1 => response.retry_after(0),
                    _ => response.x_retry_after(this.retry_after),
                })
            }),
            (self.cut_before, |_, _| Fault::CutBefore),
            (self.cut_after, |_, _| Fault::CutAfter),
            (self.truncated, |_, _| Fault::Truncate),
            (self.malformed, |_, random| {
                Fault::RespondAfter(if random.bool() {
                    Response::html(200)
                } else {
                    Response::garbage()
                })
            }),
            (self.gateway_after, |_, random| {
                Fault::RespondAfter(Response::html(if random.bool() { 502 } else { 504 }))
            }),
            (self.slow, |this, _| Fault::Slow(this.delay)),
            (self.stalled, |this, _| Fault::StallWorkers(this.stall)),
            (self.repeated, |_, _| Fault::RepeatResults),
            (self.timed_out, |_, _| Fault::TimeOut),
            (self.revoked, |_, _| Fault::RevokeTokens),
        ];
        for (probability, make) in kinds {
            if left < probability {
                return Some(make(self, &mut random));
            }
            left -= probability;
        }
        None
    }
}

/// How faults change the work of a request itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tampering {
    pub(crate) repeat_results: bool,
    pub(crate) double_results: bool,
    pub(crate) lose_chunks: bool,
}

/// All faults to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    next: BTreeMap<Operation, VecDeque<Fault>>,
    nth: BTreeMap<(Operation, u64), Vec<Fault>>,
    always: BTreeMap<Operation, Vec<Fault>>,
    script: VecDeque<Fault>,
    random: Vec<Chances>,
}

/// One set of random faults, with its counts so far.
#[derive(Debug)]
struct Chances {
    random: RandomFaults,
    in_a_row: BTreeMap<Operation, u32>,
    in_all: u64,
}

impl Faults {
    pub(crate) fn inject(&mut self, operation: Operation, fault: Fault) {
        self.next.entry(operation).or_default().push_back(fault);
    }

    pub(crate) fn inject_at(&mut self, operation: Operation, nth: u64, fault: Fault) {
        self.nth.entry((operation, nth)).or_default().push(fault);
    }

    pub(crate) fn inject_always(&mut self, operation: Operation, fault: Fault) {
        self.always.entry(operation).or_default().push(fault);
    }

    pub(crate) fn set_script(&mut self, script: impl IntoIterator<Item = Fault>) {
        self.script = script.into_iter().collect();
    }

    /// The script's fault for the next request. The last one stays.
    pub(crate) fn take_scripted(&mut self) -> Option<Fault> {
        if self.script.len() > 1 {
            self.script.pop_front()
        } else {
            self.script.front().cloned()
        }
    }

    pub(crate) fn set_random(&mut self, random: impl IntoIterator<Item = RandomFaults>) {
        self.random = random.into_iter().map(Chances::new).collect();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Number of faults injected for one request that have not happened yet.
    pub(crate) fn pending(&self) -> usize {
        self.next.values().map(VecDeque::len).sum::<usize>()
            + self.nth.values().map(Vec::len).sum::<usize>()
    }

    /// The faults of this request, the nth (from 1) to its operation: those injected for it, or
    /// else those of every request, or else one by chance.
    pub(crate) fn take(&mut self, operation: Operation, nth: u64) -> Vec<Fault> {
        let mut faults = self.nth.remove(&(operation, nth)).unwrap_or_default();
        faults.extend(self.next.get_mut(&operation).and_then(VecDeque::pop_front));
        if faults.is_empty() {
            faults.extend(self.always.get(&operation).into_iter().flatten().cloned());
        }
        if faults.is_empty() {
            faults.extend(
                self.random
                    .iter_mut()
                    .find_map(|chances| chances.draw(operation, nth)),
            );
        }
        faults
    }
}

impl Chances {
    fn new(random: RandomFaults) -> Self {
        Self {
            random,
            in_a_row: BTreeMap::new(),
            in_all: 0,
        }
    }

    fn draw(&mut self, operation: Operation, nth: u64) -> Option<Fault> {
        let random = &self.random;
        let in_a_row = self.in_a_row.entry(operation).or_default();
        let allowed = random.operations.contains(&operation)
            && *in_a_row < random.most_in_a_row
            && self.in_all < random.most_in_all;
        let fault = if allowed {
            random.draw(operation, nth)
        } else {
            None
        };
        if fault.is_some() {
            *in_a_row += 1;
            self.in_all += 1;
        } else {
            *in_a_row = 0;
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(random: RandomFaults, requests: u64) -> Vec<Option<Fault>> {
        let mut faults = Faults::default();
        faults.set_random(Some(random));
        (1..=requests)
            .map(|nth| faults.take(Operation::Push, nth).pop())
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_seed_gives_others() {
        let one = schedule(RandomFaults::mixed(7, 0.05), 500);
        assert_eq!(one, schedule(RandomFaults::mixed(7, 0.05), 500));
        assert_ne!(one, schedule(RandomFaults::mixed(8, 0.05), 500));
    }

    #[test]
    fn each_kind_comes_about_as_often_as_asked() {
        let random = RandomFaults {
            most_in_a_row: u32::MAX,
            ..RandomFaults::mixed(1, 0.05)
        };
        let faults = schedule(random, 20_000);
        let count = |wanted: &Fault| {
            faults
                .iter()
                .flatten()
                .filter(|fault| *fault == wanted)
                .count()
        };
        for kind in [
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::Truncate,
            Fault::RepeatResults,
        ] {
            assert!(
                (850..1150).contains(&count(&kind)),
                "{kind:?}: {}",
                count(&kind)
            );
        }
        assert_eq!(count(&Fault::TimeOut), 0);
        assert!((9_700..10_300).contains(&faults.iter().flatten().count()));
    }

    #[test]
    fn faults_in_a_row_and_in_all_are_bounded() {
        let random = RandomFaults {
            cut_before: 1.0,
            most_in_a_row: 2,
            most_in_all: 5,
            ..RandomFaults::none(1)
        };
        let happened: Vec<bool> = schedule(random, 9).iter().map(Option::is_some).collect();
        assert_eq!(
            happened,
            [true, true, false, true, true, false, true, false, false]
        );
    }

    #[test]
    fn each_operation_can_have_rates_of_its_own() {
        let of = |operation, rate| RandomFaults {
            cut_before: rate,
            most_in_a_row: u32::MAX,
            operations: vec![operation],
            ..RandomFaults::none(1)
        };
        let mut faults = Faults::default();
        faults.set_random([of(Operation::Push, 0.5), of(Operation::Pull, 0.001)]);
        let mut rate = |operation| {
            let count = (1..=20_000)
                .filter(|nth| !faults.take(operation, *nth).is_empty())
                .count();
            count as f64 / 20_000.0
        };
        assert!((0.48..0.52).contains(&rate(Operation::Push)));
        assert!((0.0004..0.002).contains(&rate(Operation::Pull)));
        assert_eq!(rate(Operation::Status), 0.0);
    }

    #[test]
    fn script_goes_before_chance() {
        let mut faults = Faults::default();
        faults.set_random(Some(RandomFaults {
            cut_before: 1.0,
            ..RandomFaults::none(1)
        }));
        faults.inject(Operation::Pull, Fault::Truncate);
        faults.inject(Operation::Pull, Fault::CutAfter);
        faults.inject_at(Operation::Pull, 3, Fault::HangAfter);
        faults.inject_always(Operation::Push, Fault::HangBefore);
        assert_eq!(faults.pending(), 3);
        assert_eq!(faults.take(Operation::Pull, 1), [Fault::Truncate]);
        assert_eq!(faults.take(Operation::Pull, 2), [Fault::CutAfter]);
        assert_eq!(faults.take(Operation::Pull, 3), [Fault::HangAfter]);
        assert_eq!(faults.take(Operation::Pull, 4), [Fault::CutBefore]);
        assert_eq!(faults.take(Operation::Create, 1), []);
        assert_eq!(faults.pending(), 0);
        for nth in 1..4 {
            assert_eq!(faults.take(Operation::Push, nth), [Fault::HangBefore]);
        }
    }
}

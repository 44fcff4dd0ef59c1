//! Which mistakes of clients are refused, and which are accepted and noted.

use std::fmt;

use hyper::HeaderMap;

use crate::Operation;
use crate::refusal::Refusal;

/// Which mistakes in requests the emulator refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// All of them, whoever makes them.
    Strict,
    /// All but those that the official SDKs make day by day, and only from these SDKs, which it
    /// knows by `x-spark-ua`. It accepts and notes them, see
    /// [`Emulator::mistakes`](crate::Emulator::mistakes):
    ///
    /// - The `size` of a chunk counts the header row of its table.
    /// - A chunk has a header row and no records.
    /// - A retry has the `x-request-id` of the request before.
    #[default]
    OfficialSdks,
    /// For calls by hand: any `size` is accepted, and the headers that every request needs may be
    /// missing.
    Lenient,
}

/// A mistake in a request that was accepted all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// What the request asked for.
    pub operation: Operation,
    /// The batch in its path.
    pub batch_id: Option<String>,
    /// The place of the mistake and what is wrong there.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.operation)?;
        if let Some(id) = &self.batch_id {
            write!(formatter, " of batch {id}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// How common a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// The official SDKs make it day by day.
    OfficialSdks,
    Nobody,
}

/// The mistakes of one request.
#[derive(Debug)]
pub(crate) struct Mistakes {
    strictness: Strictness,
    official_sdk: bool,
    accepted: Vec<String>,
}

impl Mistakes {
    pub(crate) fn new(strictness: Strictness, headers: &HeaderMap) -> Self {
        let agent = headers
            .get("x-spark-ua")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Self {
            strictness,
            official_sdk: agent.starts_with("agent=spark-") && agent.contains("-sdk/"),
            accepted: Vec::new(),
        }
    }

    /// Notes a mistake, or refuses the request for it.
    pub(crate) fn judge(&mut self, mistake: Refusal, habit: Habit) -> Result<(), Refusal> {
        let accepted = match self.strictness {
            Strictness::Strict => false,
            Strictness::OfficialSdks => self.official_sdk && habit == Habit::OfficialSdks,
            Strictness::Lenient => true,
        };
        if !accepted {
            return Err(mistake);
        }
        self.accepted.push(mistake.message);
        Ok(())
    }

    pub(crate) fn checks_headers(&self) -> bool {
        self.strictness != Strictness::Lenient
    }

    pub(crate) fn accepted(self) -> Vec<String> {
        self.accepted
    }
}

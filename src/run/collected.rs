//! All results of a run at once.

use std::error::Error as StdError;
use std::fmt;

use super::delivery::{Delivery, RecordError};
use super::summary::Summary;
use crate::error::Error;

/// Everything that a run delivered, in the order of the input, with the run's summary.
#[derive(Debug)]
pub struct Collected<O> {
    deliveries: Vec<Delivery<O>>,
    summary: Summary,
}

impl<O> Collected<O> {
    pub(super) fn new(mut deliveries: Vec<Delivery<O>>, summary: Summary) -> Self {
        deliveries.sort_by_key(|delivery| delivery.records().start);
        Self {
            deliveries,
            summary,
        }
    }

    /// Each record's number with its outcome, in the order of the input.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Result<O, RecordError>)> {
        self.deliveries.iter().flat_map(Delivery::iter)
    }

    /// The outcomes in the order of the input.
    ///
    /// There is one for each record, unless the run was incomplete or resumed: records without a
    /// result, or with one that was delivered before, are left out. [`iter`](Self::iter) has the
    /// numbers.
    pub fn into_outcomes(self) -> Vec<Result<O, RecordError>> {
        self.deliveries
            .into_iter()
            .flat_map(Delivery::into_outcomes)
            .collect()
    }

    /// The outputs in the order of the input, if no record has an error.
    ///
    /// # Errors
    ///
    /// The first record's error.
    pub fn into_outputs(self) -> Result<Vec<O>, RecordError> {
        self.deliveries
            .into_iter()
            .flat_map(Delivery::into_outcomes)
            .collect()
    }

    /// The deliveries, chunk by chunk, in the order of the input.
    pub fn deliveries(&self) -> &[Delivery<O>] {
        &self.deliveries
    }

    /// The run's summary.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

/// A run that ended before its work was done, with everything that it delivered.
pub struct Incomplete<O>(Box<(Error, Collected<O>)>);

impl<O> Incomplete<O> {
    pub(super) fn new(error: Error, collected: Collected<O>) -> Self {
        Self(Box::new((error, collected)))
    }

    /// The run could not even start.
    pub(super) fn not_started(error: Error) -> Self {
        Self::new(error, Collected::new(Vec::new(), Summary::of_nothing()))
    }

    /// The reason for which the run ended.
    pub fn error(&self) -> &Error {
        &self.0.0
    }

    /// Everything that was delivered, and the summary of the rest.
    pub fn collected(&self) -> &Collected<O> {
        &self.0.1
    }

    /// Both.
    pub fn into_parts(self) -> (Error, Collected<O>) {
        *self.0
    }
}

impl<O> From<Incomplete<O>> for Error {
    /// The error alone.
    fn from(incomplete: Incomplete<O>) -> Self {
        incomplete.0.0
    }
}

impl<O> fmt::Debug for Incomplete<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incomplete")
            .field("error", self.error())
            .field("summary", self.collected().summary())
            .finish_non_exhaustive()
    }
}

impl<O> fmt::Display for Incomplete<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.error(), self.collected().summary())
    }
}

impl<O> StdError for Incomplete<O> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error().source()
    }
}

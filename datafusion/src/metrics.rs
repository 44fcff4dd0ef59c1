//! What `EXPLAIN ANALYZE` shows of a run.

use std::time::Instant;

use cspark_batches::run::Summary;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, Time,
};

/// The metrics of one partition.
#[derive(Debug)]
pub(crate) struct RunMetrics {
    pub(crate) baseline: BaselineMetrics,
    records: Count,
    failed_records: Count,
    chunks: Count,
    resubmissions: Count,
    requests: Count,
    bytes_pushed: Count,
    bytes_pulled: Count,
    waiting: Time,
    since: Option<Instant>,
}

impl RunMetrics {
    pub(crate) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let count = |name| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            baseline: BaselineMetrics::new(metrics, partition),
            records: count("records_pushed"),
            failed_records: count("failed_records"),
            chunks: count("chunks_pushed"),
            resubmissions: count("resubmissions"),
            requests: count("requests"),
            bytes_pushed: count("bytes_pushed"),
            bytes_pulled: count("bytes_pulled"),
            waiting: MetricBuilder::new(metrics).subset_time("waiting_for_results", partition),
            since: None,
        }
    }

    /// There is nothing to return now.
    pub(crate) fn wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// There is.
    pub(crate) fn go_on(&mut self) {
        if let Some(since) = self.since.take() {
            self.waiting.add_elapsed(since);
        }
    }

    /// At the end of the run, once.
    pub(crate) fn report(&mut self, summary: &Summary) {
        self.go_on();
        let add = |count: &Count, by: u64| count.add(usize::try_from(by).unwrap_or(usize::MAX));
        add(&self.records, summary.pushed.records);
        add(
            &self.failed_records,
            summary.failed_records + summary.rejected_records,
        );
        add(&self.chunks, summary.pushed.chunks);
        add(&self.resubmissions, summary.resubmissions);
        add(&self.requests, summary.requests.total());
        add(&self.bytes_pushed, summary.bytes_pushed);
        add(&self.bytes_pulled, summary.bytes_pulled);
        self.baseline.done();
    }
}

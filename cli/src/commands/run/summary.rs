//! The summary of a run for programs.

use cspark_batches::run::Summary;
use serde_json::json;

use super::checkpoint::Failed;

/// The summary as JSON: counts of this process, but `output` counts over all runs of a checkpoint.
pub(super) fn to_json(summary: &Summary, entries: u64, failed: Failed) -> String {
    json!({
        "output": {
            "records": entries,
            "failed_records": failed.at_service,
            "unreadable_records": failed.unreadable,
            "rejected_records": failed.rejected,
        },
        "read_records": summary.read.records,
        "delivered_records": summary.delivered.records,
        "delivered_chunks": summary.delivered.chunks,
        "unfinished_records": summary.unfinished_records(),
        "resubmissions": summary.resubmissions,
        "duplicates": summary.duplicates,
        "lost_pulls": summary.lost_pulls,
        "batches": summary.batches,
        "left_open": summary.left_open,
        "bytes_pushed": summary.bytes_pushed,
        "bytes_pulled": summary.bytes_pulled,
        "elapsed_seconds": summary.elapsed.as_secs_f64(),
    })
    .to_string()
}

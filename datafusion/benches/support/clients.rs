//! The clients that are compared.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use cspark_batches::Client;
use cspark_batches::service::{Column, ColumnKind, Columns};
use cspark_batches_arrow::{RunTable as _, Table};
use cspark_batches_datafusion::{DataFrameExt as _, SparkService};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures_util::{StreamExt as _, stream};
use serde_json::value::RawValue;

use crate::IN_A_CHUNK;
use crate::by_hand::Batch;
use crate::compare::Result;
use crate::policy::policies;
use crate::rows::{Quote, SERVICE, batch, batches, output_schema};
use crate::usage::{Meter, Usage};

const MEMORY: usize = 20 << 20;
const PUSHES_IN_FLIGHT: usize = 4;

fn connect(base: &str) -> cspark_batches::Result<Client> {
    Client::builder()
        .base_url(base)
        .bearer_token("open")
        .build()
}

/// From structs to structs.
pub(crate) async fn structs(base: &str, records: usize) -> Result<Usage> {
    let meter = Meter::start();
    let batches = connect(base)?.batches();
    let run = batches.run::<_, Quote>(SERVICE, policies().take(records));
    let mut run = run.chunk_size(IN_A_CHUNK).memory(MEMORY).start()?;
    let mut outputs = 0;
    while let Some(delivery) = run.next().await {
        for outcome in delivery?.into_outcomes() {
            black_box(outcome?);
            outputs += 1;
        }
    }
    assert_eq!(outputs, records);
    Ok(meter.stop(run.summary().requests.total()))
}

/// From record batches to record batches.
pub(crate) async fn arrow(base: &str, records: usize) -> Result<Usage> {
    let batch = batch()?;
    let (inputs, outputs) = (batch.schema(), output_schema(&batch.schema()));
    let input = batches(batch, records).map(Ok::<_, ArrowError>);
    let meter = Meter::start();
    let table = Table::stream(inputs, stream::iter(input));
    let run = connect(base)?.batches().run_table(SERVICE, table);
    let run = run.schema(outputs).without_errors();
    let run = run.options(|run| run.chunk_size(IN_A_CHUNK).memory(MEMORY));
    let mut run = run.start()?;
    let mut rows = 0;
    while let Some(batch) = run.next().await {
        rows += black_box(batch?).num_rows();
    }
    assert_eq!(rows, records);
    Ok(meter.stop(run.summary().requests.total()))
}

/// A part of the table.
#[derive(Debug)]
struct Part {
    batch: RecordBatch,
    records: usize,
}

impl PartitionStream for Part {
    fn schema(&self) -> &datafusion::arrow::datatypes::SchemaRef {
        self.batch.schema_ref()
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = batches(self.batch.clone(), self.records).map(Ok);
        let stream = stream::iter(batches);
        Box::pin(RecordBatchStreamAdapter::new(self.batch.schema(), stream))
    }
}

/// A query, with the inputs joined.
pub(crate) async fn datafusion(base: &str, records: usize, partitions: usize) -> Result<Usage> {
    let batch = batch()?;
    let schema = batch.schema();
    let outputs = output_schema(&schema);
    let parts = (0..partitions).map(|nth| {
        let records = (nth + 1) * records / partitions - nth * records / partitions;
        let batch = batch.clone();
        Arc::new(Part { batch, records }) as Arc<dyn PartitionStream>
    });
    let table = StreamingTable::try_new(Arc::clone(&schema), parts.collect())?;
    let meter = Meter::start();
    let inputs = schema.fields().iter();
    let columns = Columns::new(
        inputs.map(|field| Column::owned(field.name(), ColumnKind::Any)),
        [],
    );
    let service = SparkService::with_columns(&connect(base)?, SERVICE, columns)
        .outputs(outputs)
        .memory(MEMORY)
        .max_batches(partitions)
        .options(|run| run.chunk_size(IN_A_CHUNK));
    let config = SessionConfig::new().with_target_partitions(partitions);
    let context = SessionContext::new_with_config(config);
    let frame = context.read_table(Arc::new(table))?;
    let mut rows = frame.with_spark_service(&service)?.execute_stream().await?;
    let mut number = 0;
    while let Some(batch) = rows.next().await {
        number += black_box(batch?).num_rows();
    }
    assert_eq!(number, records);
    // The metrics of a plan count requests, and this client has no plan at hand.
    Ok(meter.stop(0))
}

/// Pushes what arrow-json writes and reads what is pulled with it, with no regard for failures,
/// buffers or memory.
pub(crate) async fn by_hand(base: &str, records: usize) -> Result<Usage> {
    let input = batch()?;
    let outputs = output_schema(&input.schema());
    let meter = Meter::start();
    let batch = Batch::create(base, SERVICE).await?;

    let chunks = batches(input, records).flat_map(|batch| {
        let starts = (0..batch.num_rows()).step_by(IN_A_CHUNK);
        let chunk = move |start| batch.slice(start, IN_A_CHUNK.min(batch.num_rows() - start));
        starts.map(chunk).collect::<Vec<_>>()
    });
    let push = async {
        let mut pushes = stream::iter(chunks.enumerate().map(|(number, chunk)| {
            let request = batch.push().header("content-type", "application/json");
            async move {
                let body = body(number, &chunk)?;
                request
                    .body(body)
                    .send()
                    .await?
                    .error_for_status()?
                    .bytes()
                    .await?;
                Ok::<_, Box<dyn std::error::Error>>(())
            }
        }))
        .buffer_unordered(PUSHES_IN_FLIGHT);
        while let Some(pushed) = pushes.next().await {
            pushed?;
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let mut requests = 1 + records.div_ceil(IN_A_CHUNK) as u64;
    let pull = async {
        let mut rows = 0;
        while rows < records {
            let response = batch.pull().await?;
            requests += 1;
            let pulled: Pulled<'_> = serde_json::from_slice(&response)?;
            for chunk in pulled.data {
                let reader = arrow_json::ReaderBuilder::new(Arc::clone(&outputs));
                let mut decoder = reader.with_batch_size(IN_A_CHUNK).build_decoder()?;
                decoder.decode(objects(chunk.outputs.get())?.as_bytes())?;
                if let Some(batch) = decoder.flush()? {
                    rows += black_box(batch).num_rows();
                }
            }
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    futures_util::future::try_join(push, pull).await?;
    Ok(meter.stop(requests))
}

#[derive(serde::Deserialize)]
struct Pulled<'a> {
    #[serde(borrow)]
    data: Vec<PulledChunk<'a>>,
}

#[derive(serde::Deserialize)]
struct PulledChunk<'a> {
    #[serde(borrow)]
    outputs: &'a RawValue,
}

fn body(number: usize, chunk: &RecordBatch) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    let rows = chunk.num_rows();
    write!(
        body,
        r#"{{"chunks":[{{"id":"{number}","size":{rows},"data":{{"inputs":"#
    )?;
    let mut writer = arrow_json::ArrayWriter::new(body);
    writer.write(chunk)?;
    writer.finish()?;
    let mut body = writer.into_inner();
    body.extend_from_slice(b"}}]}");
    Ok(body)
}

/// The objects of a list, which arrow-json reads without the list around them.
fn objects(outputs: &str) -> Result<String> {
    let objects = outputs
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    Ok(objects
        .ok_or("the outputs are not a list")?
        .replace("},{", "}\n{"))
}

//! What all tests need.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use cspark_batches::Client;
use cspark_batches_arrow::{Result, TableRun};
use cspark_emulator::{Builder, Emulator, Service};
use serde_json::value::RawValue;

pub(crate) const SERVICE: &str = "my-folder/test";

pub(crate) async fn start(builder: Builder, service: Service) -> (Emulator, Client) {
    let emulator = builder.service(SERVICE, service).start().await.unwrap();
    let spark = Client::builder()
        .base_url(emulator.base_url())
        .bearer_token("open");
    let spark = spark.build().unwrap();
    (emulator, spark)
}

/// Doubles `n`; fails for negative numbers.
pub(crate) fn double() -> Service {
    #[derive(serde::Deserialize)]
    struct Input {
        n: f64,
    }
    #[derive(serde::Serialize)]
    struct Output {
        twice: f64,
    }
    Service::new(|input: Input| match input.n < 0.0 {
        true => Err("n is negative".to_owned()),
        false => Ok(Output {
            twice: 2.0 * input.n,
        }),
    })
}

/// Outputs the text of each record's cell `cells`, which is JSON, as its outputs.
pub(crate) fn outputs_from_text() -> Service {
    Service::raw(|record, output| {
        let (_, cell) = record.fields()?.remove(0);
        let text: String = serde_json::from_str(cell.get()).map_err(|error| error.to_string())?;
        let cells: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&text).map_err(|error| error.to_string())?;
        cells
            .iter()
            .try_for_each(|(name, value)| output.field(name, value))
    })
}

pub(crate) fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

pub(crate) fn numbers(values: impl IntoIterator<Item = f64>) -> RecordBatch {
    RecordBatch::try_from_iter([("n", floats(values))]).unwrap()
}

pub(crate) async fn collect(run: &mut TableRun) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    while let Some(batch) = run.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// The rows as JSON, one text a row.
pub(crate) fn shown(batches: &[RecordBatch]) -> Vec<String> {
    let mut json = Vec::new();
    let mut writer = arrow_json::LineDelimitedWriter::new(&mut json);
    writer
        .write_batches(&batches.iter().collect::<Vec<_>>())
        .unwrap();
    writer.finish().unwrap();
    String::from_utf8(json)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

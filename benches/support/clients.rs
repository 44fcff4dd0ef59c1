//! The clients that are compared.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::by_hand::Batch;
use crate::compare::Result;
use crate::policy::{Policy, policies};
use crate::usage::{Meter, Usage};

const ECHO: &str = "my-folder/echo";
const HEADER: &str = r#"[["policy_id","product","age","sex","smoker","term","sum_assured","interest","loading","issued"]"#;
const IN_A_CHUNK: usize = 200;
const PUSHES_IN_FLIGHT: usize = 4;
/// Rows of raw JSON that are made before the measurement, and repeated.
const READY_ROWS: usize = 5_000;

/// Sends the same ready bytes over and over, and looks only at the end of each response.
pub(crate) async fn floor(base: &str, records: usize) -> Result<Usage> {
    let chunk = cspark_batches::Chunk::new(policies().take(IN_A_CHUNK))?;
    let body = Bytes::from(body_of(chunk.inputs()));
    let chunks = records.div_ceil(IN_A_CHUNK);
    let meter = Meter::start();
    let mut bodies = std::iter::repeat_n(body, chunks);
    let ends = |answer: &Bytes| {
        let tail = &answer[answer.len().saturating_sub(1000)..];
        let number = |name: &str| {
            let tail = String::from_utf8_lossy(tail);
            let rest = tail.split_once(&format!("\"{name}\":"))?.1.to_owned();
            rest.split([',', '}']).next()?.parse::<usize>().ok()
        };
        Ok(number("chunks_completed") == Some(chunks) && number("chunks_available") == Some(0))
    };
    let requests = push_and_pull(base, &mut bodies, ends).await?;
    Ok(meter.stop(requests))
}

/// As `floor`, but serde_json writes each record and reads each output, and nothing else is done:
/// what a client with these types cannot go below while it uses serde_json.
pub(crate) async fn serde(base: &str, records: usize) -> Result<Usage> {
    #[derive(Deserialize)]
    struct Answer {
        data: Vec<Results>,
    }
    #[derive(Deserialize)]
    struct Results {
        outputs: Vec<Policy<String>>,
    }
    let meter = Meter::start();
    let mut policies = policies().take(records);
    let mut bodies = std::iter::from_fn(|| {
        let mut table = String::from(HEADER);
        for policy in policies.by_ref().take(IN_A_CHUNK) {
            table.push(',');
            table.push_str(&serde_json::to_string(&policy.row()).ok()?);
        }
        table.push(']');
        (table.len() > HEADER.len() + 1).then(|| Bytes::from(body_of(&table)))
    });
    let mut outputs = 0;
    let ends = |answer: &Bytes| {
        let answer: Answer = serde_json::from_slice(answer)?;
        for output in answer.data.into_iter().flat_map(|results| results.outputs) {
            std::hint::black_box(output);
            outputs += 1;
        }
        Ok(outputs == records)
    };
    let requests = push_and_pull(base, &mut bodies, ends).await?;
    Ok(meter.stop(requests))
}

fn body_of(inputs: &str) -> String {
    format!(r#"{{"chunks":[{{"id":"floor","size":{IN_A_CHUNK},"data":{{"inputs":{inputs}}}}}]}}"#)
}

/// Pushes all bodies, and pulls until a response was the last one. Returns the number of requests.
async fn push_and_pull(
    base: &str,
    bodies: &mut impl Iterator<Item = Bytes>,
    mut is_last: impl FnMut(&Bytes) -> Result<bool>,
) -> Result<u64> {
    let batch = Batch::create(base, ECHO).await?;
    let push = async {
        let mut pushes = 0;
        loop {
            let now = bodies.by_ref().take(PUSHES_IN_FLIGHT).map(|body| async {
                let request = batch
                    .push()
                    .header("content-type", "application/json")
                    .body(body);
                request.send().await?.error_for_status()?.bytes().await
            });
            match futures_util::future::try_join_all(now).await?.len() {
                0 => return Ok::<_, Box<dyn std::error::Error>>(pushes),
                some => pushes += some as u64,
            }
        }
    };
    let pull = async {
        let mut pulls = 1;
        while !is_last(&batch.pull().await?)? {
            pulls += 1;
        }
        Ok(pulls)
    };
    let (pushes, pulls) = futures_util::future::try_join(push, pull).await?;
    Ok(1 + pushes + pulls)
}

/// reqwest and trees of values, as in a first script.
pub(crate) async fn plain(base: &str, records: usize) -> Result<Usage> {
    let meter = Meter::start();
    let batch = Batch::create(base, ECHO).await?;
    let mut requests = 1;
    let policies: Vec<Policy<&str>> = policies().take(records).collect();
    let chunks: Vec<Value> = policies
        .chunks(IN_A_CHUNK)
        .enumerate()
        .map(|(number, chunk)| {
            let rows = chunk
                .iter()
                .map(|policy| serde_json::to_value(policy).unwrap_or_default());
            let rows: Vec<Value> = rows.collect();
            json!({"id": format!("chunk-{number}"), "size": rows.len(), "data": {"inputs": rows}})
        })
        .collect();
    let mut outputs: Vec<Policy<String>> = Vec::new();
    for chunk in chunks.chunks(PUSHES_IN_FLIGHT) {
        batch
            .push()
            .json(&json!({"chunks": chunk}))
            .send()
            .await?
            .error_for_status()?;
        requests += 1;
    }
    while outputs.len() < records {
        let answer: Value = serde_json::from_slice(&batch.pull().await?)?;
        requests += 1;
        for chunk in answer["data"].as_array().into_iter().flatten() {
            outputs.extend(serde_json::from_value::<Vec<Policy<String>>>(
                chunk["outputs"].clone(),
            )?);
        }
    }
    Ok(meter.stop(requests))
}

/// This crate, from structs to structs.
pub(crate) async fn run(base: &str, records: usize) -> Result<Usage> {
    managed::<_, Policy<String>>(base, policies().take(records), records).await
}

/// This crate, from JSON text to JSON text: the rows are ready, as if they came from a file.
pub(crate) async fn raw(base: &str, records: usize) -> Result<Usage> {
    let rows = policies().map(|policy| to_raw_value(&policy));
    let rows = rows
        .take(READY_ROWS)
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let rows: &'static [Box<RawValue>] = rows.leak();
    let records_in = rows.iter().cycle().take(records);
    managed::<_, Box<RawValue>>(base, records_in, records).await
}

async fn managed<I, O>(
    base: &str,
    input: impl Iterator<Item = I> + Send + 'static,
    records: usize,
) -> Result<Usage>
where
    I: Serialize + Send + 'static,
    O: DeserializeOwned,
{
    let meter = Meter::start();
    let spark = cspark_batches::Client::builder()
        .base_url(base)
        .bearer_token("open")
        .build()?;
    let mut run = spark
        .batches()
        .run::<_, O>(ECHO, input)
        .chunk_size(IN_A_CHUNK)
        .start()?;
    let mut outputs = 0;
    while let Some(delivery) = run.next().await {
        for outcome in delivery?.into_outcomes() {
            std::hint::black_box(outcome?);
            outputs += 1;
        }
    }
    let made = run.summary().requests;
    assert_eq!(outputs, records);
    Ok(meter.stop(made.create + made.push + made.pull + made.status + made.end))
}

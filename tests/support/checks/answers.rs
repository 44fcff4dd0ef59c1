use std::collections::BTreeMap;
use std::fmt::Debug;

use cspark_batches::raw::types::{self, ChunkResult, PullResponse};
use cspark_batches::{ErrorKind, Outputs, Pulled, RecordMessage, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::outputs::{Numbers, Open, Premium};

/// Checks that each generated type reads again what it has written.
pub(crate) fn answers(input: &[u8]) {
    reads_again::<types::Batch>(input);
    reads_again::<types::BatchConfiguration>(input);
    reads_again::<types::BatchDetails>(input);
    reads_again::<types::BatchSummary>(input);
    reads_again::<types::ChunkResult<Box<RawValue>>>(input);
    reads_again::<types::CreateRequest>(input);
    reads_again::<types::DescribeResponse>(input);
    reads_again::<types::Environment>(input);
    reads_again::<types::PullResponse<Box<RawValue>>>(input);
    reads_again::<types::PushRequest<Box<RawValue>>>(input);
    reads_again::<types::Status>(input);
    reads_again::<types::Tenant>(input);
    reads_again::<types::TenantConfiguration>(input);
    reads_again::<types::TenantStatus>(input);
    reads_again::<types::UpdateRequest>(input);
    reads_again::<types::AggregationOperator>(input);
    reads_again::<types::BatchStatus>(input);
    reads_again::<types::BatchTransition>(input);
    reads_again::<types::PipelineStatus>(input);
    reads_again::<RecordMessage>(input);
    reads_again::<Timestamp>(input);

    if let Ok(text) = std::str::from_utf8(input) {
        let timestamp = Timestamp::from(text);
        assert_eq!(timestamp.as_str(), text);
        if let Some(moment) = timestamp.to_system_time() {
            let written = Timestamp::from(moment);
            let read = written
                .to_system_time()
                .expect("what was written can be read");
            assert_eq!(Timestamp::from(read), written);
        }
        assert_eq!(types::BatchStatus::from(text).as_str(), text);
        assert_eq!(types::PipelineStatus::from(text).to_string(), text);
    }
}

fn reads_again<T: Serialize + DeserializeOwned + Debug>(input: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(input) else {
        return;
    };
    let written = serde_json::to_string(&read).expect("what was read can be written");
    let again: T = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_string(&again).ok(), Some(written));
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
}

/// Checks that decoding the outputs of a pull at once and one by one gives the same results, and
/// that outputs can be read as raw JSON wherever they can be read as a type.
pub(crate) fn pulled(input: &[u8]) {
    let raw = Pulled::<Box<RawValue>>::parse(input);
    let values = reads_the_same::<Value>(input);
    let read = [
        raw.is_ok(),
        values.is_some(),
        reads_the_same::<Premium>(input).is_some(),
        reads_the_same::<Open>(input).is_some(),
        reads_the_same::<Numbers>(input).is_some(),
        reads_the_same::<(f64, u64)>(input).is_some(),
        reads_the_same::<Vec<Value>>(input).is_some(),
        reads_the_same::<BTreeMap<String, Box<RawValue>>>(input).is_some(),
    ];
    assert!(read[0] || !read.contains(&true), "{read:?}");

    // serde_json limits the depth, and counts it from the output where that is read by itself.
    let deep = input
        .iter()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count()
        > 100;
    if let (Ok(raw), Some(values), false) = (raw, values, deep) {
        let raw = raw
            .chunks
            .iter()
            .flat_map(|chunk| chunk.outputs.iter().flatten());
        let values = values
            .chunks
            .iter()
            .flat_map(|chunk| chunk.outputs.iter().flatten());
        let read =
            |raw: &Option<Box<RawValue>>| serde_json::from_str::<Value>(raw.as_ref()?.get()).ok();
        assert!(raw.map(read).eq(values.cloned()), "raw outputs differ");
    }
}

fn reads_the_same<T: DeserializeOwned + Debug + Clone>(input: &[u8]) -> Option<Pulled<T>> {
    let pulled = match Pulled::<T>::parse(input) {
        Ok(pulled) => pulled,
        Err(error) => {
            super::refused(&error, ErrorKind::Decode);
            return None;
        }
    };
    for chunk in &pulled.chunks {
        let outputs = chunk
            .outputs
            .as_ref()
            .map_or(0, |outputs| outputs.as_slice().len());
        let errors = chunk.errors.as_ref().map_or(0, Vec::len);
        let warnings = chunk.warnings.as_ref().map_or(0, Vec::len);
        let records = chunk.records().map(|record| {
            let _ = record.error.map(ToString::to_string);
            record.index
        });
        assert!(records.eq(0..outputs.max(errors).max(warnings)));
    }

    // The row of a failed record may be anything. One that no type can read needs the tolerant way.
    let mut response: PullResponse<Box<RawValue>> =
        serde_json::from_slice(input).expect("it was read as more than this");
    let odd: ChunkResult<Box<RawValue>> =
        serde_json::from_str(r#"{"id": "odd", "outputs": [["a"], 7], "errors": ["no"]}"#)
            .expect("a chunk");
    response.data.get_or_insert_default().push(odd);
    let response = serde_json::to_vec(&response).expect("a response can be written");
    let tolerant = Pulled::<T>::parse(&response).expect("a failed record may be odd");
    let (odd, chunks) = tolerant.chunks.split_last().expect("the odd one is there");
    assert_eq!(
        odd.outputs.as_ref().map(Outputs::as_slice).map(<[_]>::len),
        Some(1)
    );
    assert_eq!(format!("{chunks:?}"), format!("{:?}", pulled.chunks));
    Some(pulled)
}

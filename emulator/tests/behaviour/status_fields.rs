//! Counters and other fields of the status that are missing, stuck or wrong.

use cspark_emulator::{Alteration, AlteredFields, Emulator, Operation, Shapes, StatusField};
use serde_json::{Value, json};

use crate::support::{Client, echo_chunk};

async fn start(altered_fields: Vec<AlteredFields>) -> (Emulator, Client, String) {
    let shapes = Shapes {
        altered_fields,
        ..Shapes::default()
    };
    let emulator = Emulator::builder().shapes(shapes).start().await.unwrap();
    let client = Client::new(&emulator);
    let id = client.batch("my-folder/echo").await;
    (emulator, client, id)
}

/// The status object in the responses to status, push and pull.
async fn all_three(client: &Client, id: &str) -> [Value; 3] {
    let push = client.push(id, json!([echo_chunk("a", 2)])).await.ok();
    let status = client.status(id).await;
    let pull = client.pull(id).await.ok()["status"].clone();
    [status, push, pull]
}

#[tokio::test]
async fn each_kind_of_response_can_lack_fields_of_its_own() {
    let (_emulator, client, id) = start(vec![
        AlteredFields {
            responses: vec![Operation::Pull],
            fields: vec![StatusField::InputBufferUsedBytes],
            alteration: Alteration::Absent,
        },
        AlteredFields {
            responses: vec![Operation::Push, Operation::Pull],
            fields: vec![StatusField::WorkersInUse],
            alteration: Alteration::Null,
        },
    ])
    .await;
    let [status, push, pull] = all_three(&client, &id).await;
    assert_eq!(status["input_buffer_used_bytes"], 0);
    assert_eq!(push["input_buffer_used_bytes"], 0);
    assert_eq!(pull.get("input_buffer_used_bytes"), None);
    assert_eq!(status["workers_in_use"], 0);
    assert_eq!(push.get("workers_in_use"), Some(&Value::Null));
    assert_eq!(pull.get("workers_in_use"), Some(&Value::Null));
}

#[tokio::test]
async fn all_counters_can_be_missing_everywhere() {
    let missing = AlteredFields::everywhere(StatusField::COUNTERS, Alteration::Absent);
    let (_emulator, client, id) = start(vec![missing]).await;
    for object in all_three(&client, &id).await {
        let names: Vec<&String> = object.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            [
                "batch_status",
                "compute_time_ms",
                "pipeline_status",
                "request_timestamp",
                "response_timestamp"
            ]
        );
    }
}

#[tokio::test]
async fn a_counter_can_be_stuck_wrong_or_rise_for_ever() {
    let altered = [
        (StatusField::RecordsCompleted, Alteration::Stuck),
        (StatusField::ChunksCompleted, Alteration::Rising),
        (StatusField::RecordSubmitted, Alteration::Plus(-1)),
        (StatusField::ChunksSubmitted, Alteration::Plus(-9)),
        (StatusField::WorkersInUse, Alteration::Number(4)),
        (
            StatusField::PipelineStatus,
            Alteration::Text("resting".to_owned()),
        ),
        (StatusField::BatchStatus, Alteration::Plus(1)),
    ];
    let altered = altered.map(|(field, how)| AlteredFields::everywhere([field], how));
    let (emulator, client, id) = start(altered.to_vec()).await;
    for round in 1..4_u64 {
        let push = client.push(&id, json!([echo_chunk("a", 2)])).await.ok();
        // What the first push reported stays.
        assert_eq!(push["records_completed"], 2);
        assert_eq!(push["chunks_completed"], 2 * round - 1);
        assert_eq!(push["record_submitted"], 2 * round - 1);
        assert_eq!(push["chunks_submitted"], 0);
        assert_eq!(push["workers_in_use"], 4);
        assert_eq!(push["pipeline_status"], "resting");
        assert_eq!(push["batch_status"], "in_progress");
        assert_eq!(client.status(&id).await["chunks_completed"], 2 * round);
    }
    emulator.set_shapes(Shapes::default());
    let status = client.status(&id).await;
    assert_eq!(
        (&status["records_completed"], &status["chunks_completed"]),
        (&json!(6), &json!(3))
    );
}

#[tokio::test]
async fn the_first_alteration_of_a_field_counts() {
    let of =
        |number| AlteredFields::everywhere([StatusField::WorkersInUse], Alteration::Number(number));
    let (_emulator, client, id) = start(vec![of(1), of(2)]).await;
    assert_eq!(client.status(&id).await["workers_in_use"], 1);
}

#[tokio::test]
async fn the_fields_of_the_status_have_their_names() {
    let (_emulator, client, id) = start(Vec::new()).await;
    let status = client.status(&id).await;
    let mut names = StatusField::ALL.map(StatusField::name);
    names.sort_unstable();
    assert!(status.as_object().unwrap().keys().eq(names.iter()));
}

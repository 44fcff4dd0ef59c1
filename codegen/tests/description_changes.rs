//! Changes of the description: the parts of the generated code that change, or the mistakes that
//! stop the build.
//!
//! The generator runs on a changed text. Each snapshot shows the changes without line numbers and
//! neighbouring lines, so that it stays the same when something else is edited.

#[path = "support/items.rs"]
mod items;
#[path = "../../tests/it/support/snapshots.rs"]
mod snapshots;

use std::collections::BTreeMap;
use std::fmt::Write;

use similar::{ChangeTag, TextDiff};

use cspark_batches_build::Api;

const DESCRIPTION: &str = include_str!("../../openapi/batches.yaml");

/// A change: below the first line that reads so, the first occurrence of one text becomes another.
type Edit = (&'static str, &'static str, &'static str);

/// What people do to a description on purpose.
const CHANGES: &[(&str, &[Edit])] = &[
    (
        "field_new_optional",
        &[(
            "    Status:",
            "        workers_in_use:\n",
            "        workers_idle:
          type: integer
          format: uint64
          nullable: true
          description: Runners that wait for work
        workers_in_use:\n",
        )],
    ),
    (
        "field_removed",
        &[(
            "    Status:",
            "        workers_in_use:
          type: integer
          format: uint64
          minimum: 0
          nullable: true
          description: Runners at work\n",
            "",
        )],
    ),
    (
        "field_becomes_nullable",
        &[(
            "    Chunk:",
            "        id:\n",
            "        id:\n          nullable: true\n",
        )],
    ),
    (
        "field_becomes_required",
        &[(
            "    CreateRequest:",
            "      properties:\n",
            "      required: [service]\n      properties:\n",
        )],
    ),
    (
        "field_of_a_new_type",
        &[
            (
                "    Status:",
                "        workers_in_use:\n",
                "        region:
          description: Where the batch runs
          allOf:
            - $ref: \"#/components/schemas/Region\"
        workers_in_use:\n",
            ),
            (
                "  schemas:",
                "    BatchStatus:\n",
                "    Region:
      type: object
      description: A region
      properties:
        name:
          type: string
          nullable: true
          description: Its name
    BatchStatus:\n",
            ),
        ],
    ),
    (
        "value_new",
        &[(
            "    BatchStatus:",
            "            - failed\n",
            "            - failed\n            - paused\n",
        )],
    ),
    (
        "parameter_renamed",
        &[("    MaxChunks:", "name: max_chunks", "name: chunk_limit")],
    ),
    (
        "text_changed",
        &[(
            "    Environment:",
            "The environment that answered",
            "The environment",
        )],
    ),
    (
        "operation_new",
        &[(
            "paths:",
            "  /api/v4/batch:\n",
            "  /api/v4/batch/{batch_id}/pause:
    parameters:
      - $ref: \"#/components/parameters/BatchId\"
    post:
      operationId: pause
      description: Pauses the batch.
      responses:
        2XX:
          description: The status
          content:
            application/json:
              schema:
                $ref: \"#/components/schemas/Status\"
  /api/v4/batch:\n",
        )],
    ),
    // Errors are the transport's, so that these generate nothing new.
    (
        "answer_by_default",
        &[(
            "operationId: status",
            "        \"401\":",
            "        default: { $ref: \"#/components/responses/Refused\" }\n        \"401\":",
        )],
    ),
    (
        "header_new",
        &[(
            "operationId: status",
            "      parameters:\n",
            "      parameters:
        - name: x-trace
          in: header
          schema:
            type: string\n",
        )],
    ),
];

/// What happens to a description by mistake, or goes beyond what the generator can do.
const MISTAKES: &[(&str, &[Edit])] = &[
    (
        "key_misspelt_in_a_schema",
        &[("    Tenant:", "nullable: true", "nulable: true")],
    ),
    (
        "key_misspelt_in_a_property",
        &[(
            "    Environment:",
            "          nullable: true",
            "          nulable: true",
        )],
    ),
    (
        "key_misspelt_in_items",
        &[(
            "        process_time:",
            "            nullable: true",
            "            nulable: true",
        )],
    ),
    (
        "key_misspelt_in_a_parameter",
        &[("    MaxChunks:", "required: false", "requird: true")],
    ),
    (
        "key_misspelt_in_an_operation",
        &[("operationId: status", "summary:", "sumary:")],
    ),
    (
        "key_misspelt_in_an_answer",
        &[("operationId: status", "content:", "contents:")],
    ),
    (
        "key_misspelt_in_components",
        &[("components:", "  headers:", "  heeders:")],
    ),
    (
        "key_misspelt_at_the_top",
        &[("info:", "servers:", "server:")],
    ),
    (
        "key_misspelt_twice",
        &[
            ("    Tenant:", "nullable: true", "nulable: true"),
            ("    MaxChunks:", "required: false", "requird: true"),
        ],
    ),
    (
        "key_beside_a_reference",
        &[(
            "        in_progress_batches:",
            "          items:\n",
            "          items:\n            nullable: true\n",
        )],
    ),
    (
        "key_twice",
        &[(
            "    Environment:",
            "        update:",
            "        update:\n          type: string\n        update:",
        )],
    ),
    (
        "key_missing_in_a_parameter",
        &[("    MaxChunks:", "      name: max_chunks\n", "")],
    ),
    (
        "key_missing_in_an_answer",
        &[(
            "    Unauthorized:",
            "      description: The credentials are missing, wrong or expired\n",
            "",
        )],
    ),
    (
        "key_without_a_value",
        &[("    Environment:", "type: integer", "type:")],
    ),
    (
        "value_of_the_wrong_type",
        &[(
            "    Environment:",
            "          nullable: true",
            "          nullable: sometimes",
        )],
    ),
    (
        "value_unknown",
        &[("    MaxChunks:", "in: query", "in: querry")],
    ),
    (
        "type_misspelt",
        &[("    Batch:", "type: string", "type: strng")],
    ),
    (
        "type_with_keys_of_another",
        &[(
            "    Batch:",
            "type: string",
            "type: string\n          minimum: 1",
        )],
    ),
    (
        "format_misspelt",
        &[("    Environment:", "uint64", "uint46")],
    ),
    (
        "format_stricter_than_the_service",
        &[(
            "        created_by:",
            "type: string",
            "type: string\n          format: uuid",
        )],
    ),
    (
        "pattern",
        &[(
            "        created_by:",
            "type: string",
            "type: string\n          pattern: \".+@.+\"",
        )],
    ),
    (
        "reference_dangling",
        &[(
            "    Tenant:",
            "schemas/TenantStatus",
            "schemas/TenantStatuses",
        )],
    ),
    (
        "reference_into_the_wrong_section",
        &[(
            "operationId: status",
            "#/components/parameters/TenantName",
            "#/components/schemas/Tenant",
        )],
    ),
    (
        "reference_without_a_text",
        &[(
            "    Tenant:",
            "          description: What the tenant uses\n          allOf:\n            - $ref:",
            "          $ref:",
        )],
    ),
    (
        "required_but_unknown",
        &[(
            "    Chunk:",
            "required: [id, size, data]",
            "required: [id, size, date]",
        )],
    ),
    (
        "description_missing_on_a_property",
        &[(
            "    Environment:",
            "          description: The number of the environment's update\n",
            "",
        )],
    ),
    (
        "description_missing_on_a_schema",
        &[(
            "    Environment:",
            "      description: The environment that answered\n",
            "",
        )],
    ),
    (
        "description_missing_on_an_operation",
        &[(
            "operationId: status",
            "      description: Gives the batch's counters and the fill of its buffers.\n",
            "",
        )],
    ),
    (
        "operation_without_a_name",
        &[("    get:", "      operationId: describe\n", "")],
    ),
    (
        "operation_named_like_another",
        &[("    get:", "operationId: describe", "operationId: status")],
    ),
    (
        "operation_with_two_successes",
        &[(
            "operationId: status",
            "        2XX:\n",
            "        \"202\":
          description: Not yet
        2XX:\n",
        )],
    ),
    (
        "operation_without_a_success",
        &[(
            "operationId: status",
            "        2XX:\n",
            "        default:\n",
        )],
    ),
    (
        "operation_with_two_media_types",
        &[(
            "operationId: update",
            "          application/json:\n",
            "          application/xml:
            schema:
              type: string
          application/json:\n",
        )],
    ),
    (
        "operation_without_a_schema",
        &[(
            "operationId: status",
            "              schema:
                $ref: \"#/components/schemas/Status\"\n",
            "",
        )],
    ),
    (
        "path_parameter_undeclared",
        &[(
            "paths:",
            "/{batch_id}/status:",
            "/{batch_id}/status/{detail}:",
        )],
    ),
    (
        "path_parameter_optional",
        &[("    BatchId:", "required: true", "required: false")],
    ),
    (
        "path_parameter_renamed",
        &[("    BatchId:", "name: batch_id", "name: id")],
    ),
    (
        "bulk_operation_renamed",
        &[("paths:", "operationId: push", "operationId: send")],
    ),
    (
        "handwritten_schema_renamed",
        &[
            (
                "    ChunkResult:",
                "schemas/SummaryOutput",
                "schemas/Aggregates",
            ),
            ("  schemas:", "    SummaryOutput:\n", "    Aggregates:\n"),
        ],
    ),
    (
        "open_enum_with_values_alike",
        &[(
            "    BatchStatus:",
            "            - closed\n",
            "            - closed\n            - Closed\n",
        )],
    ),
    (
        "not_yaml",
        &[("info:", "  title: Coherent", "  title: \"Coherent")],
    ),
];

#[test]
fn a_change_shows_in_the_parts_that_it_concerns() {
    snapshots::assert_directory("changes", &effects(CHANGES));
}

#[test]
fn a_mistake_stops_the_build_and_names_its_place() {
    let effects = effects(MISTAKES);
    for (name, effect) in &effects {
        assert!(
            effect.starts_with("stops the build"),
            "{name} goes unnoticed"
        );
        assert!(
            !effect.contains("panicked"),
            "{name} makes the generator panic"
        );
    }
    snapshots::assert_directory("mistakes", &effects);
}

#[test]
fn the_same_description_gives_the_same_code() {
    let generated = generate(DESCRIPTION).expect("the description is sound");
    assert_eq!(generated, generate(DESCRIPTION).expect("as before"));
}

fn effects(changes: &[(&str, &[Edit])]) -> BTreeMap<String, String> {
    let before = items::split(&generate(DESCRIPTION).expect("the description is sound"));
    changes
        .iter()
        .map(|(name, edits)| {
            let description = edits.iter().fold(DESCRIPTION.to_owned(), edit);
            let effect = match generate(&description) {
                Ok(source) => differences(&before, &items::split(&source)),
                Err(mistakes) => mistakes,
            };
            ((*name).to_owned(), effect)
        })
        .collect()
}

fn edit(description: String, (below, from, to): &Edit) -> String {
    let heading = description
        .match_indices(below)
        .find(|(at, _)| {
            let ends = description[at + below.len()..].starts_with('\n');
            ends && description[..*at]
                .rsplit('\n')
                .next()
                .is_some_and(|before| before.trim().is_empty())
        })
        .map(|(at, _)| at)
        .unwrap_or_else(|| panic!("the description has no line `{below}` any more"));
    let (head, tail) = description.split_at(heading);
    assert!(
        tail.contains(from),
        "the description has no `{from}` below `{below}` any more"
    );
    head.to_owned() + &tail.replacen(from, to, 1)
}

/// The code, or the problems with the lines that they point to.
fn generate(description: &str) -> Result<String, String> {
    Api::source(description).map_err(|diagnostics| {
        let mut text = "stops the build\n".to_owned();
        for diagnostic in diagnostics.iter().map(ToString::to_string) {
            let (line, what) = diagnostic
                .split_once(": ")
                .expect("a line number comes first");
            let line: usize = line.parse().expect("a line number comes first");
            let pointed_to = description
                .lines()
                .nth(line - 1)
                .expect("the line is in the text");
            write!(text, "\n| {}\n{what}\n", pointed_to.trim()).expect("writing to a String");
        }
        text
    })
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let part = |parts: &BTreeMap<String, String>| parts.get(name).cloned().unwrap_or_default();
        let (old, new) = (part(before), part(after));
        if old == new {
            continue;
        }
        writeln!(text, "{name}").expect("writing to a String");
        for change in TextDiff::from_lines(&old, &new).iter_all_changes() {
            if change.tag() != ChangeTag::Equal {
                write!(text, "{}{change}", change.tag()).expect("writing to a String");
            }
        }
    }
    if text.is_empty() {
        text.push_str("changes nothing\n");
    }
    text
}

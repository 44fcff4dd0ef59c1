use cspark_batches::raw::types;
use cspark_batches::{Chunk, ErrorKind};
use serde_json::value::RawValue;

/// Checks that chunks which are read keep their text, count their records right, and read the same
/// when they are written out.
pub(crate) fn chunk_json(input: &[u8]) {
    let chunks = match Chunk::parse(input) {
        Ok(chunks) => chunks,
        Err(error) => return super::refused(&error, ErrorKind::Input),
    };
    let text = std::str::from_utf8(input).expect("JSON is UTF-8");
    assert!(!chunks.is_empty());
    for chunk in &chunks {
        assert!(!chunk.id().is_empty());
        assert!(
            text.contains(chunk.inputs()),
            "{} is not in {text}",
            chunk.inputs()
        );
        assert_eq!(chunk.input_bytes(), chunk.inputs().len() as u64);
        let rows: Vec<&RawValue> = serde_json::from_str(chunk.inputs()).expect("inputs are a list");
        let header = rows.first().is_some_and(|row| row.get().starts_with('['));
        assert_eq!(chunk.records(), (rows.len() - usize::from(header)) as u64);
        assert!(chunk.records() > 0);
    }

    let written = serde_json::to_string(&types::PushRequest {
        chunks: chunks.iter().map(write).collect(),
    });
    let written = written.expect("chunks can be written");
    let parts = |chunk: &Chunk| {
        (
            chunk.id().to_owned(),
            chunk.records(),
            chunk.inputs().to_owned(),
        )
    };
    let again = Chunk::parse(&written).expect("what was read can be read again");
    assert!(
        again.iter().map(parts).eq(chunks.iter().map(parts)),
        "{written}"
    );

    // The generated types read the same, without a notion of rows and objects.
    let strict: types::PushRequest<Box<RawValue>> =
        serde_json::from_str(&written).expect("the generated types read it");
    let strict = strict.chunks.into_iter();
    let strict = strict.map(|it| (it.id, it.size.get(), it.data.inputs.get().to_owned()));
    assert!(strict.eq(chunks.iter().map(parts)), "{written}");
}

fn write(chunk: &Chunk) -> types::Chunk<&RawValue> {
    types::Chunk {
        data: types::ChunkData {
            inputs: serde_json::from_str(chunk.inputs()).expect("inputs are JSON"),
            parameters: None,
            summary: None,
        },
        id: chunk.id().to_owned(),
        size: chunk.records().try_into().expect("a chunk has records"),
    }
}

//! Files that are not what they should be.

use std::fs;

use crate::support::{Finished, World, with_same_ids};

/// What the program says to a file, by its name and content.
fn refusal(world: &World, name: &str, content: &[u8]) -> String {
    world.write(name, content);
    let run = world.run(&format!(
        "run my-folder/echo --input {name} --output out.jsonl --ordered"
    ));
    let run = run.expect(1);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(
        !world.path("out.jsonl").exists(),
        "an incomplete output has the final name"
    );
    run.stderr
}

#[test]
fn bad_files_are_refused_with_the_place_and_the_remedy() {
    let gzip = {
        use std::io::Write;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let rows: String = (0..20_000).map(|n| format!("{n},{}\n", n * 7919)).collect();
        gzip.write_all(format!("a,b\n{rows}").as_bytes()).unwrap();
        let bytes = gzip.finish().unwrap();
        bytes[..bytes.len() / 2].to_vec()
    };
    let files: &[(&str, &[u8])] = &[
        ("empty.csv", b""),
        ("ragged.csv", b"a,b\n1,2\n3\n"),
        ("long.csv", b"a,b\n1,2,3\n"),
        ("twice.csv", b"a,b,a\n1,2,3\n"),
        ("nameless.csv", b"a,,b\n1,2,3\n"),
        ("semicolon.csv", b"a;b\n1;2\n"),
        ("latin.csv", b"a\nm\xfcller\n"),
        ("latin-header.csv", b"m\xfcller,b\n1,2\n"),
        ("utf16.csv", b"\xff\xfea\0\n\0"),
        ("cut.csv.gz", &gzip),
        ("no.csv.gz", b"a,b\n1,2\n"),
        ("no.csv.zst", b"a,b\n1,2\n"),
        ("line.jsonl", b"{\"a\":1}\n{\"a\":\n"),
        ("nan.jsonl", b"{\"a\":NaN}\n"),
        ("row.jsonl", b"[1]\n"),
        ("extra.jsonl", b"{\"a\":1}\n{\"a\":1,\"b\":2}\n"),
        ("again.jsonl", b"{\"a\":1,\"b\":2}\n{\"b\":1,\"b\":2}\n"),
        ("cut.json", b"[{\"a\":1},"),
        ("object.json", b"{\"a\":1}"),
        ("mixed.json", b"[[\"a\"],[1],{\"a\":2}]"),
        ("ragged.json", b"[[\"a\"],[1],[1,2]]"),
        ("header.json", b"[[1],[2]]"),
        ("row.json", b"[{\"a\":1},[2]]"),
        ("number.json", b"[1]"),
        ("no.parquet", b"a,b\n1,2\n"),
        ("no.xlsx", b"a,b\n1,2\n"),
    ];
    let world = World::new();
    let refusals: String = files
        .iter()
        .map(|(name, content)| refusal(&world, name, content))
        .collect();
    with_same_ids().bind(|| insta::assert_snapshot!("refusals", refusals));
}

#[test]
fn odd_files_are_read_all_the_same() {
    let table: &[(&str, &[u8], &str)] = &[
        ("bom.csv", b"\xef\xbb\xbfa,b\n1,2\n", "{\"a\":1,\"b\":2}\n"),
        ("crlf.csv", b"a,b\r\n1,2\r\n", "{\"a\":1,\"b\":2}\n"),
        ("no-end.csv", b"a,b\n1,2", "{\"a\":1,\"b\":2}\n"),
        ("nan.csv", b"a\nNaN\n", "{\"a\":\"NaN\"}\n"),
        ("header.csv", b"a,b\n", ""),
        ("empty.jsonl", b"\n\n", ""),
        ("empty.json", b" [] ", ""),
        ("bom.json", b"\xef\xbb\xbf[[\"a\"],[1]]", "{\"a\":1}\n"),
        (
            "gaps.jsonl",
            b"{\"a\":1,\"b\":2}\r\n\r\n{\"b\":3}",
            "{\"a\":1,\"b\":2}\n{\"a\":null,\"b\":3}\n",
        ),
    ];
    let world = World::new();
    for (name, content, expected) in table {
        world.write(name, content);
        world
            .run(&format!(
                "run my-folder/echo -i {name} -o out.jsonl --ordered"
            ))
            .expect(0);
        assert_eq!(world.read("out.jsonl"), *expected, "{name}");
    }
}

#[test]
fn bad_records_can_be_left_out() {
    let world = World::new();
    world.write("in.csv", "a,b\n1,2\n3\n5,6\n");
    let run = world.run(
        "run my-folder/echo -i in.csv -o out.csv --ordered --skip-bad-records --errors e.jsonl",
    );
    let run = run.expect(1);
    run.says("1 records could not be sent");
    let output = world.read("out.csv");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!((lines.len(), lines[1], lines[3]), (4, "1,2,", "5,6,"));
    assert!(
        lines[2].contains("line 3 has 1 cells for 2 columns"),
        "{output}"
    );
    assert!(world.read("e.jsonl").contains("\"record\":1"));
    // A file that ends too early is no bad record.
    let gzip = fs::read(world.path("in.csv")).unwrap();
    world.write("in.csv.gz", gzip);
    world
        .run("run my-folder/echo -i in.csv.gz -o out.csv --skip-bad-records")
        .expect(1);
}

#[test]
fn places_that_cannot_be_read_or_written() {
    let world = World::new();
    world.write("in.csv", "a\n1\n");
    fs::create_dir(world.path("folder.csv")).unwrap();
    let says = |arguments: &str, code: i32, part: &str| {
        let run: Finished = world
            .run(&format!("run my-folder/echo {arguments}"))
            .expect(code);
        assert!(run.stderr.contains(part), "{arguments}: {}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    };
    says("-i none.csv -o out.csv", 1, "cannot read none.csv");
    says(
        "-i folder.csv -o out.csv",
        1,
        "cannot read folder.csv: it is a directory",
    );
    says(
        "-i in.csv -o folder.csv",
        1,
        "cannot write folder.csv: it is a directory",
    );
    says(
        "-i in.csv -o none/out.csv",
        1,
        "cannot write none/out.csv.partial",
    );
    // A directory that even root cannot write to.
    #[cfg(target_os = "linux")]
    says(
        "-i in.csv -o /sys/out.csv",
        1,
        "cannot write /sys/out.csv.partial",
    );
    says("-i in.csv -o out", 2, "--output-format");
    says("-i in.csv -o out.xlsx", 2, "cannot be .xlsx");
    says("-i in.csv -o out.csv --types b=text", 1, "no column `b`");
    says(
        "-i in.csv -o out.csv --columns nix",
        1,
        "no column `nix` for --columns; there are record, a, error",
    );
    says(
        "-i in.csv -o - --output-format csv --checkpoint c",
        2,
        "--checkpoint needs an output file",
    );
    assert_eq!(
        world.emulator.batch_ids().len(),
        1,
        "only --columns is found out by the service"
    );
}

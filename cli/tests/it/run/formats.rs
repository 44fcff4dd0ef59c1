//! Every format, both ways, and the options that decide what is in them.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use crate::support::{Finished, World, bare_program};

const CSV: &str = "\
id,amount,big,text,flag,none
007,1.50,9007199254740993,\"a,b\",true,
8,0.12345678901234567,12345678901234567890,\"say \"\"hi\"\"\",FALSE,
9,1e5,-0,\u{fc}mlaut,false,
";

/// The records of [`CSV`] as the service gets them and gives them back.
const LINES: &str = r#"{"id":"007","amount":1.50,"big":9007199254740993,"text":"a,b","flag":true,"none":null}
{"id":8,"amount":0.12345678901234567,"big":12345678901234567890,"text":"say \"hi\"","flag":false,"none":null}
{"id":9,"amount":1e5,"big":-0,"text":"ümlaut","flag":false,"none":null}
"#;

fn echo(world: &World, input: &str, output: &str, more: &str) -> Finished {
    let arguments =
        format!("run my-folder/echo --input {input} --output {output} --ordered {more}");
    world.run(&arguments).expect(0)
}

#[test]
fn no_digit_changes_on_the_way_from_csv_to_lines() {
    let world = World::new();
    world.write("in.csv", CSV);
    echo(&world, "in.csv", "out.jsonl", "");
    assert_eq!(world.read("out.jsonl"), LINES);
    assert!(!world.path("out.jsonl.partial").exists());
    let wire = world.emulator.requests();
    let wire: Vec<_> = wire
        .iter()
        .map(|it| String::from_utf8_lossy(&it.body))
        .collect();
    let row = r#"["007",1.50,9007199254740993,"a,b",true,null]"#;
    assert!(wire.iter().any(|body| body.contains(row)), "{wire:?}");
}

#[test]
fn every_format_leads_to_every_other() {
    let world = World::new();
    world.write("in.csv", CSV);
    let names = [
        "t.csv",
        "t.tsv",
        "t.json",
        "t.jsonl",
        "t.csv.gz",
        "t.tsv.zst",
        "t.json.zst",
        "t.jsonl.gz",
    ];
    for first in names {
        // As text, so that what is text in the first file is not a number in the next.
        let typed = |name: &str| match name.contains("csv") || name.contains("tsv") {
            true => "--text id",
            false => "",
        };
        echo(
            &world,
            "in.csv",
            first,
            "--text id --columns id,amount,big,text,flag,none",
        );
        for second in ["u.csv", "u.jsonl", "u.json.gz"] {
            let columns = "--columns id,amount,big,text,flag,none";
            echo(
                &world,
                first,
                second,
                &format!("{} {columns}", typed(first)),
            );
            echo(&world, second, "v.jsonl", typed(second));
            let expected = LINES
                .replace("\"id\":8", "\"id\":\"8\"")
                .replace("\"id\":9", "\"id\":\"9\"");
            assert_eq!(world.read("v.jsonl"), expected, "{first} {second}");
        }
    }
}

#[test]
fn parquet_has_types_and_comes_back() {
    let world = World::new();
    let lines = r#"{"i":1,"l":9007199254740993,"f":0.1,"t":"x","b":true,"m":1,"n":null,"e":[1,2]}
{"i":-2,"l":2,"f":2,"t":null,"b":null,"m":"1","n":null,"e":{"a":1}}
"#;
    world.write("in.jsonl", lines);
    echo(&world, "in.jsonl", "out.parquet", "");
    assert!(!world.path("out.parquet.partial").exists());
    echo(&world, "out.parquet", "back.jsonl", "");
    let expected = r#"{"i":1,"l":9007199254740993,"f":0.1,"t":"x","b":true,"m":"1","n":null,"e":"[1,2]"}
{"i":-2,"l":2,"f":2.0,"t":null,"b":null,"m":"1","n":null,"e":"{\"a\":1}"}
"#;
    assert_eq!(world.read("back.jsonl"), expected);
    // From a pipe as well, and with the columns that are wanted.
    let arguments =
        "run my-folder/echo --input - --format parquet --output p.parquet --columns t,i,x --quiet";
    let mut program = world.program(arguments);
    let mut child = program.stdin(Stdio::piped()).spawn().unwrap();
    let parquet = fs::read(world.path("out.parquet")).unwrap();
    child.stdin.take().unwrap().write_all(&parquet).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    echo(&world, "p.parquet", "p.jsonl", "");
    assert_eq!(
        world.read("p.jsonl"),
        "{\"t\":\"x\",\"i\":1,\"x\":null}\n{\"t\":null,\"i\":-2,\"x\":null}\n"
    );
}

#[test]
fn the_cells_of_a_workbook_have_their_types() {
    let world = World::new();
    let workbook = include_bytes!("../../data/policies.xlsx");
    world.write("in.xlsx", workbook);
    echo(&world, "in.xlsx", "out.jsonl", "");
    assert_eq!(
        world.read("out.jsonl"),
        "{\"name\":\"007\",\"age\":40.125,\"smoker\":true,\"since\":\"2025-01-31\"}\n\
         {\"name\":\"Zoë\",\"age\":0.1,\"smoker\":null,\"since\":\"2025-01-31T12:00:00\"}\n"
    );
    let run = world
        .run("run my-folder/echo -i in.xlsx -o out.jsonl --sheet Bad")
        .expect(1);
    run.says("column `name`: the cell has the error #DIV/0!");
    let run = world
        .run("run my-folder/echo -i in.xlsx -o out.jsonl --sheet Nix")
        .expect(1);
    run.says("no sheet `Nix`; there are Policies, Bad");
}

#[test]
fn standard_input_and_output_make_a_pipe() {
    let world = World::new();
    let mut program = world.program(
        "run my-folder/echo --input - --format csv --output - --output-format tsv --ordered --quiet",
    );
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"a,b\n1,x\n2,y z\n")
        .unwrap();
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(out, "a\tb\terror\n1\tx\t\n2\ty z\t\n");
}

#[test]
fn failed_records_have_their_place_in_each_format() {
    let world = World::new();
    world.write("in.csv", "radius,height\n1,2\n-1,2\n3,x\n");
    let service = "run my-folder/volume-cylinder --input in.csv --ordered";
    let run = world
        .run(&format!(
            "{service} --output out.json --errors errors.jsonl"
        ))
        .expect(0);
    run.says("3 of 3 records delivered (2 failed at the service)");
    let output = world.read("out.json");
    let output: Vec<&str> = output.lines().collect();
    assert_eq!(
        (output.len(), output[0], output[2], output[3]),
        (5, "[", "null,", "null")
    );
    let errors = world.read("errors.jsonl");
    let errors: Vec<&str> = errors.lines().collect();
    assert_eq!(errors.len(), 2);
    assert!(
        errors[0].starts_with("{\"record\":1,\"chunk\":\""),
        "{errors:?}"
    );
    assert!(
        errors[0].contains("radius must not be negative, but is -1"),
        "{errors:?}"
    );
    assert!(
        errors[0].ends_with("\"inputs\":{\"radius\":-1,\"height\":2}}"),
        "{errors:?}"
    );

    world
        .run(&format!(
            "{service} --output out.csv --with-inputs --fail-on-record-errors"
        ))
        .expect(3);
    let csv = world.read("out.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "radius,height,volume,error");
    assert_eq!(lines[2], "-1,2,,\"radius must not be negative, but is -1\"");
    assert!(
        lines[1].starts_with("1,2,6.28") && lines[3].starts_with("3,x,,"),
        "{csv}"
    );
}

#[test]
fn unordered_entries_have_the_number_of_their_record() {
    let world = World::new();
    let lines: String = (0..1000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    world.write("in.jsonl", lines);
    world
        .run("run my-folder/echo -i in.jsonl -o out.csv --chunk-size 7")
        .expect(0);
    let output = world.read("out.csv");
    let mut rows: Vec<(u64, String)> = output
        .lines()
        .skip(1)
        .map(|line| {
            let (record, rest) = line.split_once(',').unwrap();
            (record.parse().unwrap(), rest.to_owned())
        })
        .collect();
    rows.sort();
    let expected: Vec<_> = (0..1000).map(|n| (n, format!("{n},"))).collect();
    assert_eq!(rows, expected);
}

#[test]
fn parameters_types_and_summaries_reach_the_service() {
    let world = World::new();
    world.write("in.csv", "radius\n001\n2\n");
    world.write("parameters.json", "{\"height\": 4.20}");
    world
        .run(
            "run my-folder/volume-cylinder -i in.csv -o out.jsonl --types radius=number \
              --parameters parameters.json --summary SUM:volume --summaries sums.jsonl \
              --max-runners 3 --call-purpose test --json --quiet",
        )
        .expect(0);
    let sums = world.read("sums.jsonl");
    assert!(
        sums.contains("\"first_record\":0,\"records\":2,\"summary\":"),
        "{sums}"
    );
    let wire: Vec<String> = world
        .emulator
        .requests()
        .iter()
        .map(|it| String::from_utf8_lossy(&it.body).into_owned())
        .collect();
    let wire = wire.join("\n");
    for part in [
        "[[\"radius\"],[1],[2]]",
        "4.20",
        "\"max_workers\":3",
        "\"test\"",
    ] {
        assert!(wire.contains(part), "{part} {wire}");
    }
}

#[test]
fn a_dry_run_shows_everything_and_sends_nothing() {
    let world = World::new();
    world.write("in.csv", "radius,zip,high\n1.50,007,x\n2,12345,\n3\n");
    let run = world
        .run("run my-folder/volume-cylinder -i in.csv --dry-run --chunk-size 1")
        .expect(1);
    insta::assert_snapshot!(run.stdout, @r#"
    in.csv: 2 records

    Columns:
      radius  number 2
      zip     number 1, text 1
      high    empty 1, text 1
      note: 1 cells of `zip` have leading zeros and go as text, the others as numbers; --text zip makes all of them text

    The first records as they would be sent:
      {"radius": 1.50, "zip": "007", "high": "x"}
      {"radius": 2, "zip": 12345, "high": null}

    1 records cannot be sent:
      line 4 has 1 cells for 3 columns

    2 chunks of 41 B on average, the largest 42 B

    Compared with the service: the service has no input `zip`; the service has no input `high`; perhaps it is now called `height`
    "#);
    assert!(world.emulator.batch_ids().is_empty());
    let run = world
        .run("run my-folder/volume-cylinder -i in.csv --dry-run --text zip")
        .expect(1);
    assert!(!run.stdout.contains("leading zeros"), "{}", run.stdout);
}

#[test]
fn a_dry_run_needs_no_credentials() {
    let world = World::new();
    world.write("in.csv", "radius,height\n1.50,2\n");
    let mut program = bare_program(world.directory.path());
    program.args("run my-folder/volume-cylinder -i in.csv --dry-run".split(' '));
    let run = Finished::of(program.output().unwrap()).expect(0);
    assert!(run.stdout.contains("in.csv: 1 records"), "{}", run.stdout);
    let end = "\nNot compared with the service: there are no credentials.\n";
    assert!(run.stdout.ends_with(end), "{}", run.stdout);
}

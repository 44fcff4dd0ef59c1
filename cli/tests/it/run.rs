//! `run`.

use crate::support::World;

#[test]
fn lines_become_lines_in_their_order() {
    let world = World::new();
    let lines: String = (1..=1000)
        .map(|n| {
            format!(
                "{{\"radius\": {}, \"height\": 2}}\n",
                if n == 500 { -1 } else { n }
            )
        })
        .collect();
    world.write("in.jsonl", lines);
    let arguments = "run my-folder/volume-cylinder --input in.jsonl --output out.jsonl";
    world.run(arguments).expect(0);
    let output = world.read("out.jsonl");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!((lines.len(), lines[499]), (1000, "null"));
    assert!(lines[0].starts_with("{\"volume\":6.28"), "{}", lines[0]);
    world
        .run(&format!("{arguments} --fail-on-record-errors"))
        .expect(3);
}

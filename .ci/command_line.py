#!/usr/bin/env python3
"""Runs the README's lines for `cspark-batch` as printed, in one shell, in an empty directory.

The lines start an emulator in the background, which ends with the shell. The program is the one in
the PATH.
"""

import re
import subprocess
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
# The others install the program.
HEADINGS = ["Without an account", "Run a file", "See and steer batches"]


def lines(heading):
    text = README.read_text().split(f"\n### {heading}\n")[1]
    text = re.split(r"\n##+ ", text)[0]
    found = re.findall(r"```sh\n(.*?)```", text, re.S)
    assert found, f"README has no lines under {heading!r}"
    return "".join(found)


script = "set -eux\ntrap 'kill $(jobs -p)' EXIT\n" + "".join(map(lines, HEADINGS))
with tempfile.TemporaryDirectory() as directory:
    done = subprocess.run(
        ["bash", "-c", script], cwd=directory, check=True, text=True, stdout=subprocess.PIPE, timeout=120
    )
    print(done.stdout)
    types = (Path(directory) / "cone.rs").read_text()
    premiums = (Path(directory) / "premiums.csv").read_text().splitlines()
    files = {path.name for path in Path(directory).iterdir()}

assert "my-folder/cone[0.4.2]" in done.stdout
assert "37.69911184307752" in done.stdout, "the volume of the second cone"
assert "pub mod cone {" in types
assert len(premiums) == 10_001 and premiums[0] == "premium,reserve,error", premiums[:2]
assert {"premiums.parquet", "premiums.jsonl.zst", "errors.jsonl"} <= files, files
assert not any(name.endswith((".partial", ".checkpoint", ".lock")) for name in files), files

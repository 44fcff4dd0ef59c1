#!/usr/bin/env python3
"""Follows the README as a new user does: a fresh project with its install lines, and its first program.

The crates come from this checkout rather than from a registry or the repository on the web. The
environment names a proxy that does not exist, which a service on this machine has to do without.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "https://github.com/cspark-rs/cspark-batches"
PATHS = {"cspark-batches": ROOT, "cspark-emulator": ROOT / "emulator"}


def block(section, language):
    text = (ROOT / "README.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def run(command, project, **options):
    return subprocess.run(command, cwd=project, check=True, text=True, **options)


def install(lines, project):
    """The lines with a path in the place of each crate of this repository."""
    for line in lines.splitlines():
        words = line.split("#")[0].split()
        assert words[:2] == ["cargo", "add"], line
        crate = next(word for word in words if word in PATHS or not word.startswith(("-", "http", "cargo", "add")))
        if crate in PATHS:
            assert "--git" not in words or SOURCE in words, line
            words = ["cargo", "add", "--path", str(PATHS[crate])] + [word for word in words if word == "--dev"]
        run([*words, "--quiet"], project)


registry, repository = block("Install", "sh")
[program] = block("Twenty lines", "rust")
for name, lines in {"registry": registry, "repository": registry + repository}.items():
    project = Path(sys.argv[1]) / name / "first-hour"
    project.parent.mkdir()
    run(["cargo", "new", "--quiet", str(project)], ROOT)
    # The versions of this checkout, so that both share what is built.
    shutil.copy(ROOT / "Cargo.lock", project)
    install(lines, project)

(project / "src" / "main.rs").write_text(program)
dead_proxy = {variable: "http://127.0.0.1:9" for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")}
environment = {key: value for key, value in os.environ.items() if key.upper() != "NO_PROXY"} | dead_proxy
target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
options = ["--config", os.environ["CI_CARGO_CONFIG"]] if "CI_CARGO_CONFIG" in os.environ else []
run(["cargo", *options, "build", "--quiet", "--target-dir", target], project)
printed = run([f"{target}/debug/first-hour"], project, capture_output=True, timeout=60, env=environment).stdout
lines = printed.splitlines()
assert len(lines) == 1001, printed
assert sorted(int(line.split(":")[0]) for line in lines[:-1]) == list(range(1000)), printed
assert lines[-1].startswith("1000 of 1000 records delivered in"), printed

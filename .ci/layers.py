#!/usr/bin/env python3
"""Checks that imports go one way, and that lines are no longer than rustfmt.toml says.

The order of the modules of `src/` is the table in ARCHITECTURE.md, "The layers". A file may import
from its own module and from those further down in the table. It may not import what the root of the
crate re-exports, which would hide where a thing comes from. Tests may import anything.

The module `raw` is generated. Its code is read from the snapshots of the generator.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src"
GENERATED = ROOT / "codegen" / "tests" / "snapshots" / "generated"


def layers():
    """The top modules in the order of the table, from the top down."""
    section = (ROOT / "ARCHITECTURE.md").read_text().split("## The layers")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)(?:/|\.rs)` \|", section, re.M)


def without_comments_and_strings(code):
    """The code with everything else blanked out, line by line."""
    pattern = r"""//[^\n]*|/\*.*?\*/|r(\#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\\n])'"""
    return re.sub(pattern, lambda found: re.sub(r"[^\n]", " ", found[0]), code, flags=re.S)


def without_tests(code):
    """The code without `#[cfg(test)]` items, with the same line numbers."""
    while found := re.search(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?\w+[^;{]*([;{])", code):
        end = found.end()
        depth = 1 if found[1] == "{" else 0
        while depth:
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        gap = re.sub(r"[^\n]", " ", code[found.start() : end])
        code = code[: found.start()] + gap + code[end:]
    return code


def imports(code):
    """Each first name of a path from the crate's root, with the position where it stands."""
    for found in re.finditer(r"\bcrate::(\w+|\{)", code):
        if found[1] != "{":
            yield found[1], found.start()
            continue
        depth, at = 1, found.end()
        while depth:
            if depth == 1 and (name := re.match(r"[\s,]*(\w+)", code[at:])):
                yield name[1], at + name.start(1)
                at += name.end()
                continue
            depth += {"{": 1, "}": -1}.get(code[at], 0)
            at += 1


def super_imports(code, depth):
    """Each first name of a path that climbs out of the top module by `super`."""
    climb = r"\b(?:super::){%d}(\w+)" % depth
    for found in re.finditer(climb, code):
        if found[1] != "super":
            yield found[1], found.start(1)


def sources():
    """Each file with its top module, and how many `super` lead from it to the crate's root."""
    for path in sorted(SOURCES.rglob("*.rs")):
        parts = list(path.relative_to(SOURCES).with_suffix("").parts)
        if "tests" in parts or parts == ["lib"]:
            continue
        if parts[-1] == "mod":
            parts.pop()
        yield path, parts[0], len(parts)
    for path in sorted(GENERATED.glob("*.snap")):
        yield path, "raw", None


def wrong_imports():
    order = layers()
    for path, module, depth in sources():
        where = path.relative_to(ROOT)
        if module not in order:
            yield f"{where}: `{module}` is not in the table of layers in ARCHITECTURE.md"
            continue
        code = without_tests(without_comments_and_strings(path.read_text()))
        found = list(imports(code))
        if depth is not None:
            # Modules inside of a file need one `super` more, so what is not a layer is one of those.
            climbs = super_imports(code, depth)
            found += [(name, at) for name, at in climbs if name in order]
        for name, at in found:
            line = code.count("\n", 0, at) + 1
            if name not in order:
                yield f"{where}:{line}: import `{name}` from the module that defines it"
            elif order.index(name) < order.index(module):
                yield f"{where}:{line}: `{module}` may not import `{name}`, which is above it"


def long_lines():
    width = int(re.search(r"max_width = (\d+)", (ROOT / "rustfmt.toml").read_text())[1])
    parts = ("src", "codegen", "emulator", "tests", "examples", "benches", "fuzz/fuzz_targets")
    for path in sorted(path for part in parts for path in (ROOT / part).rglob("*.rs")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            # Tables can't be wrapped, and long strings are better left whole.
            if len(line) > width and not re.match(r'\s*//[/!]? *\||.*"', line):
                yield f"{path.relative_to(ROOT)}:{number}: {len(line)} columns, more than {width}"


mistakes = [*wrong_imports(), *long_lines()]
print(*mistakes, sep="\n", end="\n" if mistakes else "")
sys.exit(1 if mistakes else 0)

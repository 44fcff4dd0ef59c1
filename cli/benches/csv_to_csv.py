#!/usr/bin/env python3
"""A CSV file through a service to a CSV file: `cspark-batch run`, a floor, and the official Python SDK.

    cargo build --release --bins --examples -p cspark-batches-cli
    cli/benches/csv_to_csv.py [RECORDS [ROUNDS]]

The floor only reads and writes the file. The service is the emulator's `my-folder/echo`, in a process of its own.
Floor and run take turns; of their rounds, the one with the median of the CPU time is shown. The SDK is measured
once, if `cspark` can be imported, as after `pip install cspark==0.3.3`, with python_sdk.py beside this file.
"""

import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELEASE = HERE.parent.parent / "target" / "release"
RECORDS, ROUNDS = (list(map(int, sys.argv[1:])) + [1_000_000, 3][len(sys.argv) - 1 :])[:2]


def make(path):
    numbers = random.Random(1)
    with open(path, "w") as file:
        file.write("id,age,sex,smoker,sum_assured,term,rate,loading,region,product\n")
        for n in range(RECORDS):
            file.write(
                f"P{n:08},{numbers.randint(18, 80)},{numbers.choice('MF')},{numbers.choice(['true', 'false'])},"
                f"{numbers.randint(1, 100) * 10_000},{numbers.randint(5, 35)},{numbers.random():.17g},"
                f"{numbers.random():.4f},region {numbers.randint(1, 20)},term life\n"
            )


def measure(name, command, environment, directory):
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=directory, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    assert status == 0, f"{name} failed: {status}"
    return name, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def main():
    with tempfile.TemporaryDirectory() as directory:
        make(Path(directory) / "in.csv")
        program = str(RELEASE / "cspark-batch")
        emulator = subprocess.Popen([program, "emulate", "--port", "0"], stdout=subprocess.PIPE, text=True)
        try:
            environment = dict(os.environ, NO_PROXY="127.0.0.1", CSPARK_BEARER_TOKEN="open")
            environment["CSPARK_BASE_URL"] = emulator.stdout.readline().strip()
            floor = [str(RELEASE / "examples" / "csv_floor"), "in.csv", "floor.csv"]
            run = [program, "run", "my-folder/echo", "--input", "in.csv", "--output", "run.csv", "--ordered", "--quiet"]
            rounds = [
                (measure("floor", floor, environment, directory), measure("cspark-batch run", run, environment, directory))
                for _ in range(ROUNDS)
            ]
            rows = [sorted(rows, key=lambda row: row[1])[ROUNDS // 2] for rows in zip(*rounds)]
            with open(Path(directory) / "in.csv") as given, open(Path(directory) / "run.csv") as output:
                # All comes back as it went, beside the empty column for errors.
                next(given), next(output)
                assert all(line[:-1] + ",\n" == written for line, written in zip(given, output, strict=True))
            if importlib.util.find_spec("cspark"):
                sdk = [sys.executable, str(HERE / "python_sdk.py"), "in.csv", "sdk.csv"]
                rows.append(measure("Python SDK", sdk, environment, directory))
        finally:
            emulator.kill()
            emulator.wait()
    print(f"{RECORDS:,} records of ten columns\n")
    print("| program | CPU | times the floor | wall | records/s | peak memory |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, cpu, wall, memory in rows:
        times = cpu / rows[0][1]
        print(f"| {name} | {cpu:.2f} s | {times:.1f} | {wall:.2f} s | {RECORDS / wall:,.0f} | {memory:.0f} MB |")


main()

"""A CSV file through a batch with the official Python SDK, as its documentation shows: push all chunks, pull until all
is there. It holds the whole file, since the SDK has no other way to make chunks."""

import csv
import os
import sys
import time

import cspark.sdk as spark

CHUNK = 200
CHUNKS_A_PUSH = 100


def cell(text):
    """The same rule as cspark-batch, as far as this file needs it."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text or "e" in text else int(text)
    except ValueError:
        return text or None


origin, tenant = os.environ["CSPARK_BASE_URL"].rsplit("/", 1)
client = spark.Client(base_url=spark.BaseUrl(url=origin, tenant=tenant), token="open", logger=False)
with open(sys.argv[1], newline="") as file:
    rows = csv.reader(file)
    header = next(rows)
    records = [[cell(text) for text in row] for row in rows]

batch = client.batches.create("my-folder/echo")
pipeline = client.batches.of(batch.data["id"])
chunks = [
    spark.BatchChunk(id=str(at), data=spark.ChunkData(inputs=[header] + records[at : at + CHUNK]), size=len(records[at : at + CHUNK]))
    for at in range(0, len(records), CHUNK)
]
results = {}
with open(sys.argv[2], "w", newline="") as file:
    output = csv.writer(file)
    output.writerow(header)
    written = 0
    at = 0
    while written < len(records):
        if at < len(chunks):
            pipeline.push(chunks=chunks[at : at + CHUNKS_A_PUSH])
            at += CHUNKS_A_PUSH
        pulled = pipeline.pull().data["data"]
        for chunk in pulled:
            for record in chunk["outputs"]:
                output.writerow([record[name] for name in header])
                written += 1
        if not pulled and at >= len(chunks):
            time.sleep(0.05)
pipeline.dispose()

"""The official Python SDK against the emulator: what it sends day by day is accepted."""

import os
import time
from pathlib import Path

import cspark.sdk as spark

origin, tenant = os.environ["EMULATOR_URL"].rsplit("/", 1)
client = spark.Client(
    base_url=spark.BaseUrl(url=origin, tenant=tenant), token="open", logger=False
)

assert client.health.ok()
assert client.batches.describe().status == 200

batch = client.batches.create("my-folder/volume-cylinder", min_runners=2, accuracy=0.95)
pipeline = client.batches.of(batch.data["id"])
assert pipeline.get_info().data["data"]["batch_status"] == "created"

HEADER = ["radius", "height"]


def table(records):
    return [HEADER] + [[1, height] for height in range(records)]


pushed = 0
mistakes = []


def push(records, **data):
    global pushed
    pushed += records
    response = pipeline.push(**data)
    assert response.data["record_submitted"] == pushed, response.data
    named = response.headers.get("x-emulator-mistakes")
    if named:
        mistakes.append(named)


push(2, inputs=table(2))
push(3, data=spark.ChunkData(inputs=table(3)))
push(2, inputs=[{"radius": 1, "height": 2}, {"radius": 3, "height": 4}])
push(4, chunks=spark.create_chunks(table(4), chunk_size=2))
push(5, chunks=spark.create_chunks(table(5), chunk_size=2))
push(1, raw='{"chunks": [{"id": "raw", "size": 1, "data": {"inputs": [["radius", "height"], [1, 4.2]]}}]}')
push(1, raw='{"chunks": [{"id": "no size", "data": {"inputs": [["radius", "height"], [1, 4.2]]}}]}')

outputs = []
while len(outputs) < pushed:
    for chunk in pipeline.pull().data["data"]:
        outputs += chunk["outputs"]
    time.sleep(0.01)
assert len(outputs) == pushed and all(output["volume"] >= 0 for output in outputs), outputs
status = pipeline.get_status().data
assert status["records_completed"] == pushed and status["pipeline_status"] == "idle", status
assert pipeline.dispose().data["data"]["batch_status"] == "closed"

# The SDK counts the header row of each table that it was not given the size of, and its create_chunks makes a chunk of
# the header alone where the records fill the chunks before it.
assert len(mistakes) == 4, mistakes
assert all("the header row does not count" in mistake for mistake in mistakes), mistakes

other = client.batches.create(spark.UriParams(folder="my-folder", service="echo"))
assert client.batches.of(other.data["id"]).get_status().data["batch_status"] == "created"

services = client.services
schema = services.get_schema("my-folder/volume-cylinder").data
assert [column["name"] for column in schema["xlInputs"]] == ["radius", "height"], schema
version_id = schema["bookSummary"]["versionId"]
assert services.get_schema(version_id=version_id).data["xOutput"] == schema["xOutput"]
assert services.get_swagger("my-folder/volume-cylinder").data["swagger"] == "2.0"
assert services.get_versions("my-folder/volume-cylinder").data[0]["id"] == version_id

# The README's lines, as printed.
readme = Path("emulator/README.md").read_text()
exec(readme.split("```python\n")[1].split("```")[0].replace("http://127.0.0.1:8080", origin))

print(f"{pushed} records, {len(mistakes)} mistakes noted")

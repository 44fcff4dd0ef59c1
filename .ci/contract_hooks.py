"""What schemathesis can't know of the service: each request has an id of its own, and calls need a batch that exists."""

import json
import os
import urllib.request
import uuid
from itertools import count

import schemathesis

BASE_URL = os.environ["EMULATOR_URL"]
turns = count()
batch_id = None


@schemathesis.hook
def before_call(context, case, kwargs):
    global batch_id
    if case.headers and "x-request-id" in case.headers:
        case.headers["x-request-id"] = str(uuid.uuid4())
    if case.path_parameters and "batch_id" in case.path_parameters:
        turn = next(turns)
        # A new one now and then, since some calls close it; and sometimes one that does not exist.
        if turn % 20 == 0:
            batch_id = create()
        if turn % 5 != 0:
            case.path_parameters["batch_id"] = batch_id


def create():
    request = urllib.request.Request(
        f"{BASE_URL}/api/v4/batch",
        data=json.dumps({"service": "my-folder/volume-cylinder"}).encode(),
        headers={
            "content-type": "application/json",
            "x-tenant-name": "my-tenant",
            "x-request-id": str(uuid.uuid4()),
        },
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["id"]

"""What schemathesis can't know of the service: each request has an id of its own, and calls need a batch or a service that
exists."""

import json
import os
import urllib.request
import uuid
from functools import cache
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
    elif case.path_parameters and next(turns) % 5 != 0:
        for name, value in service().items():
            if name in case.path_parameters:
                case.path_parameters[name] = value


@cache
def service():
    """A service that exists, by its folder and name and by the id of its version."""
    batch = call("POST", "api/v4/batch", {"service": "my-folder/term-life"})
    return {
        "folder": "my-folder",
        "service": "term-life",
        "version_id": batch["data"]["version_id"],
    }


def create():
    return call("POST", "api/v4/batch", {"service": "my-folder/volume-cylinder"})["id"]


def call(method, path, body):
    request = urllib.request.Request(
        f"{BASE_URL}/{path}",
        method=method,
        data=json.dumps(body).encode(),
        headers={
            "content-type": "application/json",
            "x-tenant-name": "my-tenant",
            "x-request-id": str(uuid.uuid4()),
        },
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)

#!/usr/bin/env python3
"""https with the default features: a certificate that the system trusts is accepted, another is not.

A proxy in front of the emulator speaks https with a certificate of an authority made for this run.
"""

import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

SCRATCH = Path(sys.argv[1])
origin, tenant = os.environ["EMULATOR_URL"].rsplit("/", 1)
emulator = ("127.0.0.1", int(origin.rsplit(":", 1)[1]))


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], cwd=SCRATCH, check=True, capture_output=True)


openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-subj", "/CN=Authority of this run", "-days", "1")
openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.pem", "-days", "1", "-copy_extensions", "copy")

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(SCRATCH / "server.pem", SCRATCH / "server.key")
listener = socket.create_server(("127.0.0.1", 0))


def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve():
    while True:
        plain, _ = listener.accept()
        try:
            client = context.wrap_socket(plain, server_side=True)
        except OSError:
            continue
        upstream = socket.create_connection(emulator)
        for pair in ((client, upstream), (upstream, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()


threading.Thread(target=serve, daemon=True).start()


def create_and_run(**trust):
    environment = os.environ | trust | {
        "CSPARK_BASE_URL": f"https://localhost:{listener.getsockname()[1]}/{tenant}",
        "CSPARK_BEARER_TOKEN": "open",
        "NO_PROXY": "localhost",
    }
    program = [os.environ["EXAMPLE"], "--policies", "1000", "--output", str(SCRATCH / "https.csv")]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120)


refused = create_and_run()
assert refused.returncode != 0 and "certificate" in refused.stderr, refused
accepted = create_and_run(SSL_CERT_FILE=str(SCRATCH / "ca.pem"))
assert accepted.returncode == 0, accepted
assert len((SCRATCH / "https.csv").read_text().splitlines()) == 1001

"""A server on the loopback that fails in every way that servers do."""

import hashlib
import http.server
import threading
from dataclasses import dataclass, field

import pytest

from torchlearners.datasets._download import RemoteFile


@dataclass
class Fault:
    """What the server does wrong with one request.

    `status` is answered instead of the file. `sent` is how many bytes of the body are
    sent before the connection ends. `body` is sent instead of the file. `wait` is how
    many seconds pass after the bytes that are sent.
    """

    status: int | None = None
    sent: int | None = None
    body: bytes | None = None
    wait: float = 0.0


@dataclass
class Server:
    """Files that are served, faults that are still to come, and requests so far.

    `faults` are dicts of what a `Fault` takes, one for each of the next requests.
    `ranges` is whether it knows of parts, `lengths` whether it tells sizes, and
    `version` is the header that tells a file's version, if any.
    """

    url: str = ""
    files: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    ranges: bool = True
    lengths: bool = True
    version: str | None = "ETag"

    def publish(self, name, content):
        """Serve a file, and return what is published about it."""
        self.files[f"/{name}"] = content
        digest = hashlib.sha256(content).hexdigest()
        return RemoteFile(name, (self.url + name,), digest, len(content))


def answers_of(server, released):
    class Answers(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            server.requests.append((self.path, self.headers.get("Range")))
            fault = Fault(**server.faults.pop(0) if server.faults else {})
            content = server.files.get(self.path)
            if fault.status or content is None:
                self.send_error(fault.status or 404)
                return
            content = fault.body if fault.body is not None else content
            tag = f'"{hashlib.md5(content).hexdigest()}"'
            if server.version == "weak ETag":
                tag = f"W/{tag}"
            elif server.version == "Last-Modified":
                tag = "Wed, 21 Oct 2015 07:28:00 GMT"
            start = self.start(tag)
            self.send_response(206 if start else 200)
            if start:
                last = len(content) - 1
                self.send_header(
                    "Content-Range", f"bytes {start}-{last}/{len(content)}"
                )
            if server.version:
                self.send_header(server.version.removeprefix("weak "), tag)
            if server.lengths:
                self.send_header("Content-Length", len(content) - start)
            self.end_headers()
            body = content[start:]
            self.wfile.write(body[: fault.sent])
            if fault.wait:
                self.wfile.flush()
                released.wait(fault.wait)
                if fault.sent is not None:
                    self.wfile.write(body[fault.sent :])

        def start(self, tag):
            asked, version = self.headers.get("Range"), self.headers.get("If-Range")
            if not (server.ranges and asked and version in (None, tag)):
                return 0
            return int(asked.removeprefix("bytes=").removesuffix("-"))

    return Answers


@pytest.fixture
def server(monkeypatch):
    # A proxy of the machine must not come between.
    monkeypatch.setenv("no_proxy", "*")
    served, released = Server(), threading.Event()

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            """Say nothing where a client has gone away."""

    listening = Quiet(("127.0.0.1", 0), answers_of(served, released))
    served.url = f"http://127.0.0.1:{listening.server_port}/"
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    yield served
    released.set()
    listening.shutdown()
    thread.join()
    listening.server_close()

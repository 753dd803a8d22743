"""Serves a directory over HTTP on the loopback interface, writes down requests, and fails on order.

For ostree remotes and RPM repositories in tests. Faults are set by path prefix while it runs. With
`tls` its certificate is signed by nobody that anyone trusts.
"""

import contextlib
import functools
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a response; fields that are None leave it as it is.

    `silent` takes the request and never answers; `endless` answers, and never comes to an end;
    `meet` waits for the requests of so many others first, and fails when they do not come.
    """

    silent: bool | None = None
    endless: bool | None = None
    status: int | None = None
    redirect: str | None = None
    truncate_at: int | None = None
    bytes_per_second: int | None = None
    meet: threading.Barrier | None = None


@dataclass(frozen=True)
class Request:
    """One request as it was answered."""

    method: str
    path: str
    status: int


@dataclass
class Server:
    """A running server: where it listens, what it was asked, and which faults it shows."""

    url: str
    requests: list[Request] = field(default_factory=list)
    faults: dict[str, Fault] = field(default_factory=dict)

    def fail(self, prefix: str, **fault: Any) -> None:
        """Show a fault to each path under `prefix`; the words are the fields of `Fault`."""
        self.faults[prefix] = Fault(**fault)

    def heal(self) -> None:
        """Forget all faults."""
        self.faults.clear()

    def paths(self) -> list[str]:
        """Return the paths that were asked for, in order."""
        return [request.path for request in self.requests]

    def fault_for(self, path: str) -> Fault:
        """Return the fault of the longest prefix of `path`, or one that changes nothing."""
        matching = [prefix for prefix in self.faults if path.startswith(prefix)]
        return self.faults[max(matching, key=len)] if matching else Fault()


@contextlib.contextmanager
def http_server(directory: Path, *, tls: bool = False) -> Iterator[Server]:
    """Serve `directory` on a free port of 127.0.0.1 until the block ends."""
    ended = threading.Event()
    handler = functools.partial(_Handler, ended, directory=str(directory))
    with _ThreadingServer(("127.0.0.1", 0), handler) as httpd:
        if tls:
            httpd.socket = _self_signed().wrap_socket(httpd.socket, server_side=True)
        server = Server(f"http{'s' if tls else ''}://127.0.0.1:{httpd.server_port}")
        httpd.pkglayer_server = server
        thread = threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            ended.set()
            httpd.shutdown()
            thread.join()


def _met(barrier: threading.Barrier) -> bool:
    try:
        barrier.wait(timeout=20)
    except threading.BrokenBarrierError:
        return False
    return True


def _self_signed() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as where:
        key, certificate = f"{where}/key", f"{where}/certificate"
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        words += ["-keyout", key, "-out", certificate]
        subprocess.run(words, check=True, capture_output=True)
        context.load_cert_chain(certificate, key)
    return context


class _ThreadingServer(ThreadingHTTPServer):
    """Carries the tests' view of itself to its handlers; open connections do not hold it up."""

    daemon_threads = True
    block_on_close = False
    pkglayer_server: Server


class _Handler(SimpleHTTPRequestHandler):
    """Answers with files, or with the fault that is set for the path."""

    # Pulling thousands of objects needs connections that stay open and are not delayed.
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _ThreadingServer

    def __init__(self, ended: threading.Event, *args: Any, **kwargs: Any) -> None:
        self.ended = ended
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        fault = self.server.pkglayer_server.fault_for(self.path)
        if fault.silent:
            self.log_request(0)
            self.ended.wait()
            self.close_connection = True
        elif fault.endless:
            self._send_without_end()
        elif fault.redirect is not None:
            self.send_response(302)
            self.send_header("Location", fault.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif fault.status is not None:
            self.send_error(fault.status)
        elif fault.meet is not None and not _met(fault.meet):
            self.send_error(503)
        else:
            super().do_GET()

    def _send_without_end(self) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            while not self.ended.is_set():
                self.wfile.write(bytes(1 << 16))

    def copyfile(self, source: Any, outputfile: Any) -> None:
        fault = self.server.pkglayer_server.fault_for(self.path)
        with contextlib.suppress(ConnectionError):
            if fault.bytes_per_second is not None:
                self._copy_slowly(source, outputfile, fault.bytes_per_second)
            elif fault.truncate_at is not None:
                outputfile.write(source.read(fault.truncate_at))
            else:
                super().copyfile(source, outputfile)
                return
        # The promised length was not sent: the client must see the end, not wait for more.
        self.close_connection = True

    def _copy_slowly(self, source: IO[Any], outputfile: IO[Any], rate: int) -> None:
        while (block := source.read(max(1, rate // 10))) and not self.ended.wait(0.1):
            outputfile.write(block)
            outputfile.flush()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        request = Request(self.command, self.path, int(code))
        self.server.pkglayer_server.requests.append(request)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output quiet: `requests` has it all."""

"""An S3 server that fails on purpose: passes requests on to a real one, or does worse."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What is done with a request: None passes it on, a number answers with that status, "reset" hangs
# up without an answer, a float waits so many seconds and passes it on, "forget" passes it on
# without its conditions.
Verdict = None | int | float | str
Judge = Callable[[str, str], Verdict]


@contextmanager
def faulty_store(port: int, judge: Judge) -> Iterator[int]:
    """A server before the one on `port`; its port. `judge` says by method and path what becomes of
    a request."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            verdict = judge(self.command, self.path)
            if isinstance(verdict, int):
                self.send_response(verdict)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if verdict == "reset":
                self.close_connection = True
                self.connection.close()
                return
            if isinstance(verdict, float):
                time.sleep(verdict)
            headers = dict(self.headers)
            if verdict == "forget":
                headers = {k: v for k, v in headers.items() if k.lower() != "if-none-match"}
            upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            size = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
            self.send_header("Content-Length", str(size or 0))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            upstream.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()

"""A line that breaks: forwards HTTP to a server, and spoils some of the requests on the way.

    proxy.py PORT UPSTREAM_PORT SHARE SEED [lost]

Of all requests a share is answered 500 or 503 before the server sees it, or has its answer dropped after the server
did what it says; with `lost` only conditional PUTs are spoiled, and only their answers. GET /__faults says how many.
"""

from __future__ import annotations

import random
import socket
import sys
import threading
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, UPSTREAM, SHARE, SEED = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
LOST_ALONE = "lost" in sys.argv[5:]
HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}
chance = random.Random(SEED)  # noqa: S311  # faults, no secrets
lock, counts = threading.Lock(), {"requests": 0, "faults": 0, "lost": 0}
SLOW = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        if self.path == "/__faults":
            self.answer(200, [], str(counts).replace("'", '"').encode())
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.fault()
        if fault in {"500", "503"}:
            self.answer(int(fault), [("content-type", "application/xml")], SLOW)
            return
        if fault == "reset":
            self.cut()
            return
        line = HTTPConnection("127.0.0.1", UPSTREAM, timeout=60)
        line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP - {"content-length"}:
                line.putheader(name, value)
        line.endheaders(body)
        told = line.getresponse()
        content = told.read()
        if fault == "lost":
            self.cut()
        elif fault == "lost 500":
            self.answer(500, [("content-type", "application/xml")], SLOW)
        else:
            self.answer(told.status, told.getheaders(), content, told.getheader("content-length"))
        line.close()

    def fault(self) -> str | None:
        headers = {name.lower() for name in self.headers}
        conditional = (
            self.command == "PUT" and "if-none-match" in headers
        ) or "ifGenerationMatch" in self.path
        with lock:
            counts["requests"] += 1
            if (LOST_ALONE and not conditional) or chance.random() >= SHARE:
                return None
            found = chance.choice(
                ["lost", "lost 500"] if LOST_ALONE else ["500", "503", "reset", "lost", "lost 500"]
            )
            counts["faults"] += 1
            counts["lost"] += conditional and found.startswith("lost")
            return found

    def answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP:
                self.send_header(name, value)
        head = self.command == "HEAD"
        self.send_header("content-length", (length or "0") if head else str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)

    def cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815  # the names that the server asks for

    def log_message(self, *words: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()

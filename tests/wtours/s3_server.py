"""A small S3 server in this process; a door before it refuses and breaks what a test asks for."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

Environment = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], object]
App = Callable[[Environment, Start], Iterable[bytes]]
BROKEN = (0, "")
"""A refusal that closes the connection without an answer."""


@dataclass
class Door:
    """Sees every request before the server does."""

    app: App
    url: str = ""
    refuse: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
    """Given method and path: status and S3's name of a fault, or None to let a request through."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path (bucket/key) of every request that was let through."""

    def __call__(self, environment: Environment, start: Start) -> Iterable[bytes]:
        """Answer as WSGI asks."""
        # WSGI gives the bytes of a path as Latin-1.
        path = environment["PATH_INFO"].encode("latin-1").decode().strip("/")
        method = environment["REQUEST_METHOD"]
        refusal = self.refuse(method, path)
        if refusal is None:
            self.asked.append((method, path))
            return self.app(environment, start)
        environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
        status, fault = refusal
        if not status:
            environment["werkzeug.socket"].shutdown(SHUT_RDWR)
            return []
        body = f"<Error><Code>{fault}</Code><Message>told by the test</Message></Error>".encode()
        start(f"{status} {fault}", [("Content-Length", str(len(body)))])
        return [b"" if method == "HEAD" else body]

    def put(self) -> list[str]:
        """Return the names of the files that were let through, without those of a trial."""
        names = [path.rpartition("/")[2] for method, path in self.asked if method == "PUT"]
        return [name for name in names if not name.startswith(".wtours-")]

    def forget(self) -> None:
        """Empty the server, and let everything through."""
        with urlopen(Request(f"{self.url}/moto-api/reset", method="POST")):
            self.refuse = lambda method, path: None
            self.asked.clear()

    def break_puts(self, *, first: int, times: int, refusal: tuple[int, str] = BROKEN) -> None:
        """Let some files through, and refuse the next ones a number of times."""
        left = [times]

        def refuse(method: str, path: str) -> tuple[int, str] | None:
            trial = path.rpartition("/")[2].startswith(".wtours-")
            if method != "PUT" or trial or len(self.put()) < first or not left[0]:
                return None
            left[0] -= 1
            return refusal

        self.refuse = refuse


@contextmanager
def s3_server() -> Iterator[Door]:
    """Serve from a free port until the end of the block."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        """Says nothing of each request, and nothing of broken connections."""

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (its own name)
            """Say nothing."""

    door = Door(app=DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=Quiet)
    door.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

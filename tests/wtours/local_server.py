"""A web server of this machine, for as long as a block of a test lasts."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Silent:
    """A handler with it says nothing of the requests it answers."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], *, tls: ssl.SSLContext | None = None, quiet: bool = False
) -> Iterator[int]:
    """Answer from a free port until the block ends.

    Args:
        handler: of one request.
        tls: answer https with it.
        quiet: say nothing of faults either, such as clients that have left.

    Yields:
        The port at 127.0.0.1.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    if quiet:
        server.handle_error = lambda *args: None  # type: ignore[method-assign]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""One request to a web server: redirects, refusals, and what breaks on the way, in sentences.

Proxies are those of the environment (http_proxy, https_proxy, no_proxy), as urllib reads them.
"""

import http.client
import re
import socket
import ssl
import string
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import URLError
from urllib.parse import quote, urljoin, urlsplit, urlunsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from wtours.errors import WtoursError

LEAST_BYTES_S = 1000.0
"""A connection that is slower than this for as long as a silence may last counts as lost."""
_REDIRECTS = 10
_REDIRECTED = (301, 302, 303, 307, 308)
_BUSY = (408, 425, 429)
_NEVER = (501, 505, 511)
"""Statuses above 500 that no waiting changes."""
_LATER = "run the same command again later: it goes on from there"
_CHALLENGED = (
    'open the address in a browser, save the file, and list it as a source of kind "file"; '
    "or choose another source with --source"
)


class LostError(Exception):
    """An attempt that failed, where another one may help.

    Args:
        fault: what happened, a phrase.
        remedy: what to do when no attempt helped.
        retry_after_s: the pause that the server asks for, in seconds.
        unreachable: no server answered at all.
        hopeless: no waiting helps unless the server did answer before.
        trickle: bytes came, but too slowly to count as progress.
        refused: the server answered, and would not.
    """

    def __init__(
        self,
        fault: str,
        *,
        remedy: str = _LATER,
        retry_after_s: float = 0.0,
        unreachable: bool = False,
        hopeless: bool = False,
        trickle: bool = False,
        refused: bool = False,
    ) -> None:
        super().__init__(fault)
        self.remedy = remedy
        self.retry_after_s = retry_after_s
        self.unreachable = unreachable
        self.hopeless = hopeless
        self.trickle = trickle
        self.refused = refused


class UnfitPartError(LostError):
    """The server's file is not the one that the part is of; only a new beginning helps."""

    def __init__(self) -> None:
        super().__init__("the file on the server is not the one that was begun")


class RefusedError(WtoursError):
    """The server answered, and does not hand out what was asked for in this way."""


class MissingError(RefusedError):
    """The server has nothing at this address."""


def open_address(
    url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Any:
    """Open an address and follow its redirects; return an answer of status 200 or 206.

    Args:
        url: of http or https. Characters that no address may hold are escaped.
        timeout_s: longest silence, in seconds.
        headers: of the request, beside the usual ones.
        method: GET or HEAD.

    Raises:
        LostError: the connection broke, or the server is busy; another attempt may help.
        UnfitPartError: the part that is to be continued is longer than the file.
        WtoursError: the server refuses for good, or the address is none.
    """
    sent = {"User-Agent": "wtours", "Accept-Encoding": "identity", **(headers or {})}
    here = _escaped(url)
    for _ in range(_REDIRECTS + 1):
        response = _ask(Request(here, headers=sent, method=method), url, timeout_s)
        if response.status not in _REDIRECTED:
            break
        response.close()
        here = _redirected(url, here, response.headers.get("Location"))
    else:
        raise _misled(url, "leads in a circle")
    if response.status not in (200, 206):
        with response:
            raise _refused(url, response)
    return response


def refuse_page(url: str, headers: Message) -> None:
    """Raise a WtoursError where an answer is no file: a page, a text, something packed."""
    kind = headers.get_content_type() if headers.get("Content-Type") else ""
    # Servers call a file text/plain when they do not know its ending: its first bytes will tell.
    text = kind.startswith("text/") and kind != "text/plain"
    if text or kind in ("application/json", "application/xhtml+xml", "application/xml"):
        raise no_video(url, f"a page ({kind})")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise no_video(url, f"something packed ({headers['Content-Encoding']})")


def no_video(url: str, kind: str) -> WtoursError:
    """Return the error for an address where something else than a video is."""
    return RefusedError(
        f"{url}: the server sends {kind} instead of a video",
        remedy="give the address of the file itself in the manifest, not of a page that shows it",
    )


class Body:
    """The bytes of an answer as they come; silence, or a trickle, counts as a lost connection."""

    def __init__(self, response: Any, *, timeout_s: float) -> None:
        self._response, self._timeout_s = response, timeout_s
        self._waited_s, self._came_bytes = 0.0, 0

    def read(self, most_bytes: int) -> bytes:
        """Return what is there, at least one byte unless the answer is over.

        Raises:
            LostError: nothing came for too long, or too little, or the connection broke.
        """
        began_s = time.monotonic()
        try:
            piece = bytes(self._response.read1(most_bytes))
        except (OSError, http.client.HTTPException) as error:
            raise _lost(error, "") from error
        self._waited_s += time.monotonic() - began_s
        self._came_bytes += len(piece)
        if self._waited_s >= self._timeout_s:
            if piece and self._came_bytes < LEAST_BYTES_S * self._waited_s:
                raise LostError("the server sends less than 1 kB a second", trickle=True)
            self._waited_s, self._came_bytes = 0.0, 0
        return piece


def _ask(request: Request, url: str, timeout_s: float) -> Any:
    """Send one request; whatever status comes back is an answer."""
    opener = OpenerDirector()  # of urllib's handlers only these: no ftp, no file, no cookies
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    try:
        _ = urlsplit(request.full_url).port  # the system would take 99999 for another one
        return opener.open(request, timeout=timeout_s)
    except (http.client.InvalidURL, UnicodeError, ValueError, OverflowError) as error:
        raise WtoursError(
            f"{url}: this is no usable address ({error})", remedy="correct it in the manifest"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _lost(error, urlsplit(request.full_url).hostname or "") from error


def _escaped(url: str) -> str:
    """Return an address without spaces and letters that a request line cannot hold."""
    parts = urlsplit(url)
    path, query = (quote(part, safe=string.punctuation) for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _redirected(url: str, here: str, location: str | None) -> str:
    """Return where a redirect leads, if that is a place to go to."""
    if not location:
        raise _misled(url, "leads on without saying where to")
    # http.client reads headers as Latin-1, whatever the server wrote: its bytes are kept.
    there = urljoin(here, quote(location.encode("latin-1"), safe=string.punctuation))
    schemes = urlsplit(here).scheme, urlsplit(there).scheme
    if schemes[1] not in ("http", "https"):
        raise _misled(url, f"leads on to {there}, which is no web address")
    if schemes == ("https", "http"):
        raise _misled(url, f"leads from https on to {there}, where anybody can exchange the file")
    return there


def _misled(url: str, where: str) -> WtoursError:
    return RefusedError(
        f"{url}: the server {where}",
        remedy="open the address in a browser, and put the one where the file is in the manifest",
    )


def _refused(url: str, response: Any) -> Exception:
    """Return what an answer that is neither 200 nor 206 means."""
    status, answer = response.status, f"the server answers {response.status} {response.reason}"
    if response.headers.get("x-amzn-waf-action") or response.headers.get("cf-mitigated"):
        return RefusedError(f"{url}: {answer} and wants to see a browser first", remedy=_CHALLENGED)
    if status == 416:
        return UnfitPartError()
    if status == 403:
        return LostError(
            answer,
            remedy="open the address in a browser: it may have expired, or be closed to this "
            "machine; then correct it in the manifest, or choose another source with --source",
            refused=True,
        )
    if status in _BUSY or status == 202 or (status >= 500 and status not in _NEVER):
        return LostError(answer, retry_after_s=_pause_s(response.headers.get("Retry-After", "")))
    if status == 407:
        return RefusedError(
            f"{url}: the proxy answers 407 {response.reason}",
            remedy="put its user and password into http_proxy and https_proxy",
        )
    kind = MissingError if status in (404, 410) else RefusedError
    return kind(
        f"{url}: {answer}", remedy="open the address in a browser, and correct it in the manifest"
    )


def _pause_s(retry_after: str) -> float:
    """Return the pause that `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:  # neither: then our own pause will do
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _lost(error: BaseException, host: str) -> LostError:
    """Say what broke; `host` is the one that was called, if this was the call."""
    reason = getattr(error, "reason", None) if isinstance(error, URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        fault = getattr(reason, "verify_message", "") or _shortened(reason)
        return LostError(
            f"{host} cannot prove who it is (TLS: {fault})",
            remedy="check this machine's clock and certificates; a network that wants a sign-in "
            "first, or a proxy, may stand between: its certificates go into SSL_CERT_FILE",
            unreachable=True,
            hopeless=True,
        )
    if isinstance(reason, socket.gaierror):
        return LostError(
            f"the name {host} cannot be resolved ({reason.strerror})",
            remedy="check this machine's connection and its DNS, and the address in the manifest",
            unreachable=True,
            hopeless=reason.errno != socket.EAI_AGAIN,
        )
    if isinstance(reason, ssl.SSLError) and host and not isinstance(reason, ssl.SSLEOFError):
        return LostError(
            f"{host} offers no secure connection (TLS: {_shortened(reason)})",
            remedy="check whether the address should begin with http: instead of https:, and "
            "this machine's proxies (https_proxy)",
            unreachable=True,
            hopeless=True,
        )
    fault = f"the connection {'failed' if host else 'broke'} ({_shortened(reason)})"
    if isinstance(reason, TimeoutError):
        fault = "the server is silent for too long"
    if not host:
        return LostError(fault)
    remedy = "check the address, and this machine's connection and proxies, or try again later"
    return LostError(fault, remedy=remedy, unreachable=True)


def _shortened(reason: object) -> str:
    """Return an error's own words without the place in a library's source."""
    words = str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
    return re.sub(r"\s*\(_ssl\.c:\d+\)", "", words)

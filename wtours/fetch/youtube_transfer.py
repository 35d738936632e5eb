"""One attempt to bring a file with yt-dlp's own downloader, watched: no two files are joined.

yt-dlp continues a part whatever the server now has under the address, and calls a part whole if the
server's file is within 100 bytes of it. Here every answer is compared with the receipt of the part.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wtours.fetch.landing import Landing
from wtours.fetch.settings import StepProgress

_STALE = {401, 403, 404, 410}
"""What a server says of an address that was good before: YouTube's are valid for some hours."""


class SetbackError(Exception):
    """An attempt brought less than the file; another one may go on.

    Args:
        fault: what went wrong, in yt-dlp's words.
        stale: the address is no longer good, or of another file: ask for it again.
        unfit: what is there belongs to another file than the server has now.
        retry_after_s: how long the server wants to be left alone.
    """

    def __init__(
        self,
        fault: str,
        *,
        stale: bool = False,
        unfit: bool = False,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(fault)
        self.stale = stale
        self.unfit = unfit
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, kw_only=True)
class Part:
    """The file that is being brought."""

    landing: Landing
    extension: str
    identity: dict[str, Any]
    """What it is, as the platform says before the transfer."""

    @property
    def path(self) -> Path:
        """The partial name."""
        return self.landing.part(self.extension)

    def receipt(self) -> dict[str, Any] | None:
        """Return what the part is of, as far as it is the file meant here."""
        receipt = self.landing.receipt(self.extension)
        if receipt is None:
            return None
        same = all(receipt.get(key) == value for key, value in self.identity.items())
        return receipt if same else None

    def have_bytes(self) -> int:
        """Return how much is there of exactly this file."""
        there = self.path.exists() and self.receipt() is not None
        return self.path.stat().st_size if there else 0

    def total_bytes(self) -> int | None:
        """Return how long the file is, as its server or the platform says."""
        served: int | None = (self.receipt() or {}).get("total_bytes")
        announced: int | None = self.identity.get("announced_bytes")
        return announced if served is None else served

    def is_dated(self) -> bool:
        """Whether the platform says itself when the file was made, and how long it is."""
        return None not in (self.identity.get("made"), self.identity.get("announced_bytes"))

    def is_whole(self) -> bool:
        """Whether all of it is there, as far as its size is known."""
        return self.have_bytes() > 0 and self.have_bytes() == self.total_bytes()

    def start_anew(self, served: dict[str, Any]) -> None:
        """Throw away what is there; note what the next part is of, as the server says."""
        self.landing.start_anew(self.extension, self.identity | served)


def transfer(ydl: Any, info: dict[str, Any], part: Part, *, progress: StepProgress) -> None:
    """Bring the file of `info["url"]`, or the rest of it, to its partial name.

    Args:
        ydl: the yt_dlp.YoutubeDL that looked it up.
        info: its info dictionary, with the chosen format's keys.
        part: where it goes and what it is; continued if it is there.
        progress: may raise, which ends the transfer at once.

    Raises:
        SetbackError: it broke off, was refused, or the server has another file now.
        OSError: the disk is full, or fails.
        yt_dlp.utils.YoutubeDLError: no further attempt would help.
    """
    from yt_dlp.downloader.http import HttpFD
    from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, TransportError
    from yt_dlp.utils import DownloadError

    def told(status: dict[str, Any]) -> None:
        if status.get("downloaded_bytes") is not None:
            progress(int(status["downloaded_bytes"]), status.get("total_bytes"))

    def broke_off(error: Exception, *args: object, **more: object) -> None:
        raise _setback(error) from error

    loader = HttpFD(_Watched(ydl, part), ydl.params)
    loader.undo_temp_name = lambda name: name  # else it would drop ".part" before the check
    loader.report_retry = broke_off  # new attempts are made by the caller, who can ask anew
    loader.add_progress_hook(told)
    try:
        succeeded, _ = loader.download(str(part.path), info)
    except CertificateVerifyError:
        raise
    except (HTTPError, TransportError) as error:
        raise _setback(error) from error
    except DownloadError as error:
        raise _disk_error(error) or SetbackError(str(error)) from error
    if not succeeded:
        raise SetbackError("the download ended early")
    have_bytes, total_bytes = part.have_bytes(), part.total_bytes()
    if total_bytes not in (None, have_bytes):  # some servers send less than they were asked for
        fault = f"{have_bytes} bytes came of a file of {total_bytes}"
        raise SetbackError(fault, unfit=have_bytes > (total_bytes or 0))


def _setback(error: Any) -> SetbackError:
    """Our error for one of the network's."""
    response = getattr(error, "response", None)
    if response is None:
        return SetbackError(str(error))
    seconds = str(response.headers.get("Retry-After") or "")
    wait_s = float(seconds) if seconds.isdigit() else 0.0
    response.close()
    return SetbackError(str(error), stale=error.status in _STALE, retry_after_s=wait_s)


def _disk_error(error: Any) -> OSError | None:
    """The disk's own error behind one of yt-dlp's, if there is one."""
    cause = (error.exc_info or (None, None))[1]
    return cause if isinstance(cause, OSError) else None


class _Watched:
    """A yt_dlp.YoutubeDL whose answers are compared with the part's receipt before use."""

    def __init__(self, ydl: Any, part: Part) -> None:
        self._ydl = ydl
        self._part = part
        self._begun = part.have_bytes() > 0
        if not self._begun:
            part.start_anew({})  # what is there, if anything, is of something else

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ydl, name)

    def urlopen(self, request: Any) -> Any:
        """Open an address as yt-dlp does; SetbackError where the file is another one."""
        from yt_dlp.networking.exceptions import HTTPError

        try:
            response = self._ydl.urlopen(request)
        except HTTPError as error:
            if error.status == 416:  # yt-dlp would take a part of about this length for whole
                error.close()
                raise SetbackError(
                    "the file on the server is shorter than what is there", stale=True, unfit=True
                ) from error
            raise
        served = _served(response)
        if _differs(served, self._part) or _misplaced(request, response):
            response.close()
            raise SetbackError(
                "the file on the server is not the one that was begun", stale=True, unfit=True
            )
        if not self._begun:
            self._part.start_anew(served)
            self._begun = True
        return response


def _served(response: Any) -> dict[str, Any]:
    """What an answer says of the file as a whole."""
    headers = response.headers
    total = str(headers.get("Content-Range") or "").rpartition("/")[2]
    if response.status != 206:
        total = str(headers.get("Content-Length") or "")
    etag = headers.get("ETag")
    return {
        "etag": etag if etag and not etag.startswith("W/") else None,
        "last_modified": headers.get("Last-Modified"),
        "total_bytes": int(total) if total.isdigit() else None,
    }


def _differs(served: dict[str, Any], part: Part) -> bool:
    """Whether an answer is of another file: by size, and by what else both of them say."""
    receipt = part.receipt() or {}
    if None not in (total := {served["total_bytes"], part.total_bytes()}) and len(total) > 1:
        return True
    # YouTube's own servers may date one file differently; its `lmt` and size say what it is.
    keys = ("etag",) if part.is_dated() else ("etag", "last_modified")
    for key in keys:
        if receipt.get(key) is not None and served[key] is not None:
            return bool(receipt[key] != served[key])
    return False


def _misplaced(request: Any, response: Any) -> bool:
    """Whether a part of the file came that begins elsewhere than was asked for."""
    if response.status != 206:
        return False
    asked = str(request.headers.get("Range") or "").removeprefix("bytes=").partition("-")[0]
    span = str(response.headers.get("Content-Range") or "").removeprefix("bytes ")
    return asked != span.partition("-")[0]

"""Any one file of a web server, such as weights: resumed, and under its name when it is whole."""

from pathlib import Path

from wtours.fetch.http import Wanted, download
from wtours.fetch.landing import Landing
from wtours.fetch.settings import FetchSettings, StepProgress
from wtours.whole_file import put_in_place


def bring_file(
    url: str, path: Path, progress: StepProgress, *, settings: FetchSettings | None = None
) -> None:
    """Bring the file at an address to a path, going on where an earlier attempt stopped.

    Args:
        url: http or https.
        path: the file; its folder exists.
        progress: called with bytes done, and bytes in all where they are known.
        settings: retries, waits, speed; the defaults where None.

    Raises:
        WtoursError: the server refuses, the connection fails, the disk is full.
    """
    ending = path.suffix.lstrip(".")
    landing = Landing(folder=path.parent, name=path.stem)
    with landing.held():
        wanted = Wanted(url=url, extension=ending, identity={"url": url})
        download(wanted, landing, settings=settings or FetchSettings(), progress=progress)
        put_in_place(landing.part(ending), path)
        landing.clear()

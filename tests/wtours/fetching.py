"""Fetches videos from sources that a test names."""

from pathlib import Path
from typing import Any

from tests.wtours.web_server import Site
from wtours.fetch import Fetched, FetchSettings, fetch_videos

WHOLE = ["ATTRIBUTION.md", "walk.json", "walk.mp4"]


QUICK = FetchSettings(retries=3, first_wait_s=0.01, timeout_s=5)


LICENSED = '[video.stated]\nlicence = "CC0"\nlicence_source = "its author"\n'


def manifest_of(folder: Path, *sources: dict[str, str], stated: str = "") -> Path:
    text = '[[video]]\nname = "walk"\ncity = "Ghent"\n'
    for source in sources:
        text += "[[video.source]]\n" + "".join(f"{k} = {v!r}\n" for k, v in source.items())
    path = folder / "mine.toml"
    path.write_text(text + LICENSED + stated)
    return path


def several(folder: Path, *sources: dict[str, str]) -> Path:
    """Write a manifest of videos a, b, c, ... with a source each."""
    text = "[stated]" + LICENSED.removeprefix("[video.stated]")
    for name, source in zip("abcdefgh", sources, strict=False):
        text += f'[[video]]\nname = "{name}"\n[[video.source]]\n'
        text += "".join(f"{k} = {v!r}\n" for k, v in source.items())
    path = folder / "several.toml"
    path.write_text(text)
    return path


def fetch(folder: Path, *sources: dict[str, str], **options: Any) -> Fetched:
    manifest = manifest_of(folder, *sources)
    (fetched,) = fetch_videos(
        ["walk"], manifest=manifest, out=folder / "out", **{"settings": QUICK, **options}
    )
    return fetched


def http(site: Site) -> dict[str, str]:
    return {"kind": "http", "url": site.url}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir())

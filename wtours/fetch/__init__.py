"""From an entry of a manifest to a whole, checked video with a record of where it came from.

One source a file: `youtube`, `http`, `local` (files), `rendered`. Each brings a file under a
partial name (`landing`); what follows is the same for all (`videos`): check, hash, record, name.
"""

from wtours.fetch.report import Fetched, Planned, describe, plan_fetch
from wtours.fetch.settings import FetchProgress, FetchSettings
from wtours.fetch.videos import fetch_videos

__all__ = [
    "FetchProgress",
    "FetchSettings",
    "Fetched",
    "Planned",
    "describe",
    "fetch_videos",
    "plan_fetch",
]

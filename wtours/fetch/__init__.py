"""From an entry of a manifest to a whole, checked video with a record of where it came from.

One source a file: `youtube`, `figshare`, `http`, `local` (files), `rendered`. Each says what it has
(`offer`) and brings it under a partial name (`landing`); what follows is the same for all
(`one_video`): licence, check, record, final name.
"""

from wtours.fetch.plan import Planned, plan_fetch
from wtours.fetch.report import Fetched, describe
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

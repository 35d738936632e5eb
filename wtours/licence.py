"""The licence of a video: as the platform shows it, as the manifest states it, and whether it does.

A video is used if its licence is a Creative Commons one, or if the user accepts another by name.
What a platform shows counts before what a manifest states; both are recorded, with who says it.
"""

from dataclasses import dataclass

from wtours.errors import WtoursError
from wtours.publishing.creative_commons import find_creative_commons

NONE_SHOWN = "none"
"""What `--accept-licence` calls the absence of a licence: on YouTube, its standard terms."""


class LicenceError(WtoursError):
    """A licence that was not accepted; a copy elsewhere would not change what it says."""


@dataclass(frozen=True, kw_only=True)
class Licence:
    """What is known of the terms of one video."""

    seen: str | None
    """As the platform showed it when the video was fetched; None if it showed none."""
    shown_by_platform: bool
    """Whether the platform has a place for a licence at all."""
    stated: str | None
    """As the manifest states it."""
    stated_by: str | None
    """Who states it, as the manifest says."""
    accepted: str | None = None
    """Name under which a user accepted a licence that is no Creative Commons one."""

    @property
    def name(self) -> str | None:
        """The one that counts: as seen where the platform shows licences, else as stated."""
        return self.seen if self.shown_by_platform else self.stated

    def sentence(self) -> str:
        """Return what to say of it in a line of attribution."""
        if self.shown_by_platform:
            return f"licence: {self.seen or 'none shown'} (as seen when it was fetched)"
        if self.stated is None:
            return "licence not stated"
        return f"licence: {self.stated} (as stated by {self.stated_by or 'its manifest'})"


def is_creative_commons(name: str | None) -> bool:
    """Whether a licence's name is that of a Creative Commons licence or dedication.

    >>> is_creative_commons("Creative Commons Attribution license (reuse allowed)")
    True
    >>> is_creative_commons("CC-BY-4.0"), is_creative_commons("Standard YouTube License")
    (True, False)
    """
    return find_creative_commons(name) is not None


def require_usable(licence: Licence, accepted: tuple[str, ...], *, video: str) -> Licence:
    """Return the licence, with the acceptance that it needed.

    Args:
        licence: what is known.
        accepted: names of licences that the user accepts.
        video: its name, for the error.

    Raises:
        LicenceError: it is no Creative Commons licence and was not accepted by its name.
    """
    if is_creative_commons(licence.name):
        return licence
    name = licence.name or NONE_SHOWN
    for one in accepted:
        if one.strip().casefold() == name.strip().casefold():
            return Licence(
                seen=licence.seen,
                shown_by_platform=licence.shown_by_platform,
                stated=licence.stated,
                stated_by=licence.stated_by,
                accepted=one,
            )
    where = "the platform shows" if licence.shown_by_platform else "the manifest states"
    what = f"{where} the licence {name!r}" if licence.name else f"{where} no licence"
    raise LicenceError(
        f"{video}: {what}, which is no Creative Commons one",
        remedy=f'if you may use it all the same, say so: --accept-licence "{name}"',
    )

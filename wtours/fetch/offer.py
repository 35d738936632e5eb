"""What a source says of a video before a byte of it is fetched."""

from dataclasses import dataclass, field
from typing import Any

from wtours.manifest import Source


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One source's answer to the question what it has; known before anything large moves."""

    source: Source
    said: dict[str, Any] = field(default_factory=dict)
    """Of the video, as it goes into the record: title, channel, licence, duration, format, ..."""
    size_bytes: int | None = None
    extension: str | None = None
    """Of the file's name, where it is known before the file comes."""
    licence: str | None = None
    """As the platform shows it now; None where it shows none, or has no place for it."""
    shows_licence: bool = False
    """Whether the platform has a place where a licence would stand."""
    part_of: dict[str, Any] | None = None
    """What the receipt of a part says that is a part of this; None where nobody knows before."""
    notes: tuple[str, ...] = ()
    """What a user should know of the choice that was made, a phrase each."""
    handle: Any = field(default=None, repr=False)
    """What only the source itself needs again to bring the file."""

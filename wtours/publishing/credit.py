"""What is to be said of a video wherever its pictures go: as a line, and as a page of Markdown.

Creative Commons licences ask for title, creator, source, licence and a notice of changes (CC BY
4.0, section 3(a)(1)). All of it comes from the record of the video; what the record does not
know is said to be unknown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wtours.errors import WtoursError
from wtours.licence import Licence
from wtours.publishing.creative_commons import CreativeCommons, find_creative_commons
from wtours.publishing.markdown import link, one_line, plain, web_address

UNKNOWN = "Source and licence of the video were not recorded."
_CHANGED = "single pictures, scaled"
_COPY = "whoever published this copy may not be who made the video; name its maker too if you know"
_FOREWORD = """\
These videos are their creators' work. Whoever passes on the videos or pictures of them passes on
this page too. Their creators do not endorse any use of them; the licences give no warranties and
limit liability, as their texts say.
"""


@dataclass(frozen=True, kw_only=True)
class Credit:
    """What is known of one video, for whoever publishes it or pictures of it."""

    name: str
    title: str
    """As its source shows it, or its name where the source shows none."""
    creator: str | None
    """The channel, or whom the source names."""
    creator_url: str | None
    published_only: bool
    """Whether `creator` published a copy, as on figshare, and who made the video is not known."""
    url: str
    """Where it was had from; of a file at hand, its name."""
    licence: Licence
    uploaded: str | None
    """Date, year first."""
    fetched_utc: str | None
    """ISO 8601, to the second."""
    platform_id: str | None
    """What the source calls it."""
    sha256: str | None
    remark: str | None
    """Of the manifest."""

    @property
    def terms(self) -> CreativeCommons | None:
        """The Creative Commons licence that its licence's name means, if it means one."""
        return find_creative_commons(self.licence.name, uploaded=self.uploaded)

    def line(self, *, changed: str = _CHANGED) -> str:
        """Return all of it that a licence asks for, in one line of plain text."""
        parts = [f'"{self.title}"']
        if self.creator is not None:
            parts.append(f"{'published by' if self.published_only else 'by'} {self.creator}")
        if self.creator_url is not None:
            parts.append(f"({self.creator_url})")
        deed = self.terms.deed if self.terms is not None else None
        licence = self.licence.sentence() + (f", {deed}" if deed else "")
        return f"{' '.join(parts)}, {self.url}, {licence}; changed: {changed}."


def credit_of(provenance: Mapping[str, Any]) -> Credit | None:
    """Return what the record of a fetched video says, or None where it was not fetched.

    Args:
        provenance: a `wtours.provenance.Provenance` as a mapping.

    Raises:
        WtoursError: the record lacks what every record has, or has it in another form.
    """
    try:
        return _credit(provenance) if provenance["source"] is not None else None
    except (AttributeError, KeyError, TypeError) as fault:
        raise WtoursError(
            f"the record {provenance.get('name')}.json lacks or misstates something: {fault}",
            remedy="move the video and its record away and fetch it again",
        ) from fault


def _credit(provenance: Mapping[str, Any]) -> Credit:
    said, name = provenance["platform"], one_line(provenance["name"])
    copied = provenance["source"]["kind"] == "figshare"
    title, file = _first(said, "title"), _first(said, "file")
    return Credit(
        name=name,
        title=f"{title}: {file}" if copied and title and file else title or name,
        creator=_first(said, "channel", "uploader"),
        creator_url=web_address(_first(said, "channel_url", "uploader_url")),
        published_only=copied,
        url=one_line(provenance["source"]["url"]),
        licence=Licence(**provenance["licence"]),
        uploaded=_date(_first(said, "upload_date")),
        fetched_utc=provenance["fetched_utc"],
        platform_id=provenance["source"].get("id"),
        sha256=provenance["file"]["sha256"],
        remark=_first(provenance["stated"], "remark"),
    )


def attribution_line(provenance: Mapping[str, Any] | None) -> str:
    """Return a line to publish with the pictures: title, author, source, licence, and the change.

    Args:
        provenance: the record of the video as a mapping; None where it has none.
    """
    credit = credit_of(provenance) if provenance is not None else None
    return UNKNOWN if credit is None else credit.line()


def attribution_page(
    videos: Mapping[str, Credit | str], *, changed: str | Mapping[str, str]
) -> str:
    """Return a page of Markdown that names every video, fit for publishing.

    Args:
        videos: by their names, in the order of the page; of one without a record, a line to show.
        changed: what was done to all of them, or to each by its name.
    """
    entries = [
        f"## {plain(name)}\n\n{plain(known)}\n"
        if isinstance(known, str)
        else _entry(name, known, changed=changed if isinstance(changed, str) else changed[name])
        for name, known in videos.items()
    ]
    return "\n".join(("# Attribution", "", _FOREWORD, *entries))


def _entry(name: str, credit: Credit, *, changed: str) -> str:
    rows = [
        ("Title", plain(credit.title)),
        ("Published by" if credit.published_only else "Creator", creator_text(credit)),
        ("Source", link(credit.url, web_address(credit.url))),
        ("Licence", licence_text(credit)),
        ("Changes", plain(changed)),
        ("Uploaded", credit.uploaded),
        ("Fetched", credit.fetched_utc),
        ("Id", plain(credit.platform_id) if credit.platform_id else None),
        ("Note", _COPY if credit.published_only else None),
        ("SHA-256 of the video", credit.sha256),
        ("Remark", plain(credit.remark) if credit.remark else None),
    ]
    lines = [f"- {what}: {text}" for what, text in rows if text is not None]
    return "\n".join((f"## {plain(name)}", "", *lines, ""))


def creator_text(credit: Credit) -> str:
    """Return the creator as Markdown, linked where an address is known."""
    return link(credit.creator or "not recorded", credit.creator_url)


def licence_text(credit: Credit) -> str:
    """Return the licence as Markdown: linked to its deed where known, who says so, acceptance."""
    licence, terms = credit.licence, credit.terms
    if licence.name is None:
        text = "none shown" if licence.shown_by_platform else "not stated"
    else:
        text = link(licence.name, terms.deed if terms is not None else None)
    if licence.shown_by_platform:
        text += " (as seen when it was fetched)"
    elif licence.stated is not None:
        text += f" (as stated by {plain(licence.stated_by or 'its manifest')})"
    if terms is not None and terms.version is None:
        text += ", of no stated version"
    elif terms is not None and terms.name.casefold() != str(licence.name).casefold():
        text += f", that is {terms.name}"
    if licence.accepted is not None:
        text += "; accepted by name by whoever fetched it"
    return text


def _first(said: Mapping[str, Any], *keys: str) -> str | None:
    found = (said.get(key) for key in keys)
    texts = (one_line(text) for text in found if isinstance(text, str))
    return next((text for text in texts if text), None)


def _date(text: str | None) -> str | None:
    """Return yt-dlp's 20240131 as 2024-01-31, and others as they are."""
    if text is not None and re.fullmatch(r"\d{8}", text):
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text

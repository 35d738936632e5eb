"""`wtours card` as a library call: a dataset card and Croissant metadata beside shard sets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import DatasetCardData

from wtours.errors import WtoursError
from wtours.publishing.card_facts import CardFacts, VideoNumbers, count_videos
from wtours.publishing.card_text import CITATION, card_text, describe, limits, privacy
from wtours.publishing.credit import UNKNOWN, attribution_page
from wtours.publishing.croissant import describe_sets
from wtours.publishing.markdown import one_line, web_address
from wtours.shards import ShardSet, open_shards
from wtours.shards.changes import changes
from wtours.shards.schema import ATTRIBUTION_FILE
from wtours.whole_file import write_whole

CARD_FILE, CROISSANT_FILE = "README.md", "croissant.json"
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
          (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))  # fmt: skip
_MOST_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class CardFiles:
    """What was written."""

    readme: Path
    croissant: Path
    attribution: Path
    """Of all sets; of a set whose own folder holds the card, its own."""
    notes: tuple[str, ...]
    """What a user should know or add before publishing, a phrase each."""


def write_card(
    shards: Path | Sequence[Path],
    out: Path,
    *,
    name: str | None = None,
    url: str | None = None,
    published: date | None = None,
    replace: bool = False,
) -> CardFiles:
    """Write README.md, croissant.json and ATTRIBUTION.md for shard sets, each whole or not at all.

    Args:
        shards: shard sets, or folders of them.
        out: the folder that is to be published; the sets lie in it, or it is the only one.
        name: of the data set, for people; made from the videos where None.
        url: page of the data set, if it has one yet.
        published: date of publication; today where None.
        replace: write over a card that is there.

    Raises:
        ShardError: a path holds no shard set, or one is damaged.
        WtoursError: a set does not lie in `out`, a card is there already, or `url` is no address.
    """
    opened = open_shards(*([shards] if isinstance(shards, Path) else shards))
    sets = _placed(opened, out)
    files = [out / CARD_FILE, out / CROISSANT_FILE]
    _require_free(files, replace=replace)
    if url is not None and web_address(url) is None:
        raise WtoursError(
            f"--url {url!r} is no address of a page", remedy="write it as https://host/..."
        )
    videos = count_videos(sets)
    facts = CardFacts(
        name=one_line(name or "") or _name(videos),
        url=url,
        published=published or datetime.now(UTC).date(),
        sets=sets,
        videos=videos,
    )
    # All is made before any of it is written.
    croissant = json.dumps(_croissant(facts), indent=2, ensure_ascii=False) + "\n"
    readme = f"---\n{_header(facts).to_yaml()}\n---\n\n{card_text(facts)}\n"
    attribution = _write_attribution(facts, out)
    write_whole(files[1], croissant)
    write_whole(files[0], readme)
    return CardFiles(
        readme=files[0], croissant=files[1], attribution=attribution, notes=_notes(facts)
    )


def _placed(opened: Sequence[ShardSet], out: Path) -> dict[PurePosixPath, ShardSet]:
    """Name the sets by their way from the card."""
    root, placed = out.resolve(), {}
    for shard_set in opened:
        folder = shard_set.folder.resolve()
        if not folder.is_relative_to(root):
            raise WtoursError(
                f"{shard_set.folder} does not lie in {out}, so that a card there cannot name it",
                remedy="give as --out the folder that is to be published, with the sets in it",
            )
        placed[PurePosixPath(folder.relative_to(root).as_posix())] = shard_set
    return placed


def _require_free(files: Sequence[Path], *, replace: bool) -> None:
    for file in files:
        if file.exists() and not replace:
            raise WtoursError(
                f"{file} exists already, and may have been edited",
                remedy="move it away, or give --replace to write it anew",
            )


def _name(videos: Sequence[VideoNumbers]) -> str:
    names = [video.city or video.record.name for video in videos]
    if len(names) > _MOST_NAMED:
        return f"Pictures of {len(names)} first-person videos"
    return f"Pictures of first-person videos: {', '.join(names)}"


def _write_attribution(facts: CardFacts, out: Path) -> Path:
    page = out / ATTRIBUTION_FILE
    if PurePosixPath() in facts.sets and page.exists():
        return page  # the set's own, which is part of it
    known = {
        video.record.name: video.credit or video.record.attribution or UNKNOWN
        for video in facts.videos
    }
    changed = {
        video.record.name: changes(facts.sets[video.folder].record.settings)
        for video in facts.videos
    }
    write_whole(page, attribution_page(known, changed=changed))
    return page


def _header(facts: CardFacts) -> DatasetCardData:
    """Return the metadata of https://github.com/huggingface/hub-docs/blob/main/datasetcard.md."""
    size = next((text for bound, text in _SIZES if facts.pictures < bound), "1B<n<10B")
    tars = [str(folder / "*.tar") for folder in facts.sets]
    return DatasetCardData(
        **_licence_header(facts.videos),
        pretty_name=facts.name,
        size_categories=[size],
        task_categories=["image-feature-extraction"],
        tags=["first-person-video", "self-supervised-learning", "webdataset"],
        annotations_creators=["machine-generated"],
        configs=[
            {"config_name": "default", "data_files": [{"split": "train", "path": tars}]},
        ],
    )


def _licence_header(videos: Sequence[VideoNumbers]) -> dict[str, Any]:
    """Return the hub's identifier where all videos have the same; else `other`, and which ones."""
    named = {name for video in videos if (name := _licence_name(video)) is not None}
    ids = {_hub_id(video) for video in videos}
    details = "; ".join(sorted(named | ({"not known"} if "unknown" in ids else set())))
    if len(ids) > 1 or ids == {"other"}:
        return {
            "license": "other",
            "license_name": "see-attribution",
            "license_details": f"see {ATTRIBUTION_FILE}: {details}",
        }
    (hub_id,) = ids
    return {"license": hub_id} | ({"license_details": details} if hub_id == "cc" else {})


def _hub_id(video: VideoNumbers) -> str:
    if video.credit is None or video.credit.licence.name is None:
        return "unknown"
    return video.credit.terms.hub_id if video.credit.terms is not None else "other"


def _licence_name(video: VideoNumbers) -> str | None:
    if video.credit is None or video.credit.licence.name is None:
        return None
    return video.credit.terms.name if video.credit.terms else one_line(video.credit.licence.name)


def _croissant(facts: CardFacts) -> dict[str, Any]:
    credits_known = [video.credit for video in facts.videos if video.credit is not None]
    return describe_sets(
        facts.sets,
        name=facts.name,
        description=describe(facts),
        licences=_licences(facts.videos),
        creators={credit.creator: credit.creator_url for credit in credits_known if credit.creator},
        published=facts.published,
        cite_as=CITATION,
        url=facts.url,
        limits=limits(facts),
        privacy=privacy(facts),
    )


def _licences(videos: Sequence[VideoNumbers]) -> list[str]:
    found: Mapping[str, None] = dict.fromkeys(_licence(video) for video in videos)
    return list(found)


def _licence(video: VideoNumbers) -> str:
    terms = video.credit.terms if video.credit is not None else None
    if terms is not None and terms.deed is not None:
        return terms.deed
    return _licence_name(video) or f"not known, see {ATTRIBUTION_FILE}"


def _notes(facts: CardFacts) -> tuple[str, ...]:
    notes = []
    if facts.url is None:
        notes.append("Croissant asks for the address of the data set: give --url once it has one")
    unknown = [video.record.name for video in facts.videos if _hub_id(video) == "unknown"]
    if unknown:
        notes.append(f"the licence is not known, so it may not be published: {', '.join(unknown)}")
    others = [video.record.name for video in facts.videos if _hub_id(video) == "other"]
    if others:
        notes.append(
            "the licence is no Creative Commons one, so look whether it may be published: "
            + ", ".join(others)
        )
    forced = [video.record.name for video in facts.videos if video.faults]
    if forced:
        notes.append(f"the video has faults, which the card tells: {', '.join(forced)}")
    if facts.uncovered:
        notes.append(f"faces were not covered: {', '.join(facts.uncovered)}")
    return tuple(notes)

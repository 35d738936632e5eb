"""The Markdown of a dataset card: every sentence of it, from the facts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wtours.progress import size_text
from wtours.publishing.card_facts import CardFacts, VideoNumbers
from wtours.publishing.credit import creator_text, licence_text
from wtours.publishing.markdown import link, plain, web_address
from wtours.shards import DatasetRecord
from wtours.shards.changes import changes

CITATION = """\
@inproceedings{venkataramanan2024imagenet,
  title     = {Is ImageNet worth 1 video? Learning strong image encoders from 1 long unlabelled video},
  author    = {Venkataramanan, Shashanka and Rizve, Mamshad Nayeem and Carreira, Jo{\\~a}o and
               Asano, Yuki M. and Avrithis, Yannis},
  booktitle = {International Conference on Learning Representations},
  year      = {2024},
  url       = {https://arxiv.org/abs/2310.08584}
}"""  # noqa: E501


def card_text(facts: CardFacts) -> str:
    """Return the card without its header."""
    sections = (
        (plain(facts.name), describe(facts)),
        ("Videos", _videos(facts.videos)),
        ("How it was made", _making(facts)),
        ("How to read it", _reading(facts)),
        ("Statistics", _statistics(facts.videos)),
        ("Known limits", "\n".join(f"- {limit}" for limit in (privacy(facts), *limits(facts)))),
        ("Attribution", _attribution(facts)),
        ("Citation", _citation()),
    )
    marks = ("#", *("##" for _ in sections[1:]))
    return "\n\n".join(
        f"{mark} {title}\n\n{text}" for mark, (title, text) in zip(marks, sections, strict=True)
    )


def describe(facts: CardFacts) -> str:
    """Return what the data set is, in a paragraph."""
    videos = len(facts.videos)
    cities = sorted({video.city for video in facts.videos if video.city})
    where = f" ({plain(', '.join(cities))})" if cities else ""
    return (
        f"{facts.pictures:,} pictures from {videos} first-person video{'s'[: videos != 1]}{where}, "
        f"{clock(facts.duration_s)} (h:mm:ss) in all, as WebDataset tars of "
        f"{size_text(facts.size_bytes)} with an index of every moment: time, shot, lightness, "
        "sharpness, change. Made for learning from the order of time, without labels."
    )


def privacy(facts: CardFacts) -> str:
    """Return what is known of persons in the pictures, in a paragraph."""
    if len(facts.uncovered) == len(facts.videos):
        return (
            "Faces were not covered. Persons can be recognised: consider the law and them before "
            "publishing or using these pictures."
        )
    open_ones = plain(", ".join(facts.uncovered))
    exception = f" In these videos they were not covered: {open_ones}." if open_ones else ""
    return (
        "Faces that a detector found were covered before anything was stored. This is not a "
        "guarantee: detectors miss faces that are small, turned away, in the dark, behind glass "
        "or half hidden. Number plates, names on signs, gait and dress were not looked for. If "
        "you find a person who can be recognised, tell whoever publishes this data set." + exception
    )


def limits(facts: CardFacts) -> tuple[str, ...]:
    """Return what a user should not rely on, a paragraph each."""
    found = [
        "The videos show what their makers chose to film and whoever listed them chose to list; "
        "they do not stand for how cities or people are.",
        _limits_of_cuts(facts),
        "Lightness and sharpness are those of encoded video, after the camera's own exposure and "
        "grading; they do not measure light.",
    ]
    found += [
        f"The check of the video {plain(video.record.name)} found faults, and it was used all the "
        f"same: {plain('; '.join(video.faults))}."
        for video in facts.videos
        if video.faults
    ]
    terms = [video.credit.terms for video in facts.videos if video.credit is not None]
    if any(one is not None and one.forbids_changes for one in terms):
        found.append(
            "A licence among those of the videos does not allow changed versions to be shared, and "
            "these pictures are changed versions: ask its creator before publishing."
        )
    if any(one is not None and one.forbids_commerce for one in terms):
        found.append("A licence among those of the videos excludes commercial use.")
    return tuple(found)


def _limits_of_cuts(facts: CardFacts) -> str:
    unsought = [video.record.name for video in facts.videos if video.cuts is None]
    if len(unsought) == len(facts.videos):
        return "Cuts were not sought: a segment may hold any number of them."
    found = (
        "Cuts were sought by a detector with a threshold: slow fades are missed, and flashes or "
        "fast turns may be taken for cuts. A segment may therefore still hold a cut."
    )
    return found + (f" They were not sought in: {plain(', '.join(unsought))}." if unsought else "")


def clock(duration_s: float) -> str:
    """Return a length of time as hours, minutes and seconds: 1:50:03."""
    minutes, seconds = divmod(round(duration_s), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _videos(videos: Sequence[VideoNumbers]) -> str:
    heads = (
        "video",
        "title",
        "city",
        "creator or publisher",
        "licence",
        "length",
        "pictures",
        "kept a second",
    )
    return _table(heads, (_video(video) for video in videos))


def _video(video: VideoNumbers) -> tuple[str, ...]:
    record, credit = video.record, video.credit
    known = ("not recorded",) * 3
    if credit is not None:
        title = link(credit.title, web_address(credit.url))
        creator = creator_text(credit) + (" (of this copy)" if credit.published_only else "")
        known = (title, creator, licence_text(credit))
    return (
        plain(record.name),
        known[0],
        plain(video.city or "not recorded"),
        *known[1:],
        clock(record.duration_s),
        f"{video.pictures:,}",
        f"{float(record.kept_rate):.4g}",
    )


def _making(facts: CardFacts) -> str:
    """Sets that were made alike are told of together."""
    alike: dict[str, list[DatasetRecord]] = {}
    for shard_set in facts.sets.values():
        record = shard_set.record
        key = json.dumps([record.settings, record.software], sort_keys=True)
        alike.setdefault(key, []).append(record)
    parts = []
    for records in alike.values():
        names = [video.name for record in records for video in record.videos]
        settings = records[0].settings
        rows = [(f"`{key}`", plain(value)) for key, value in _flat(settings)]
        wrote = ", ".join(f"{name} {version}" for name, version in records[0].software.items())
        parts += [
            f"{plain(', '.join(names))}: {plain(changes(settings))}. One decode of each video "
            "served all of it; the sources are named above and in ATTRIBUTION.md.",
            _table(("setting", "value"), rows),
            f"Written by {plain(wrote)}.",
        ]
    return "\n\n".join(parts)


def _flat(settings: Mapping[str, Any], start: str = "") -> Iterable[tuple[str, object]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{key}.")
        else:
            absent = "not set" if start else "off"
            yield f"{start}{key}", absent if value is None else value


def _reading(facts: CardFacts) -> str:
    folder = next(iter(facts.sets))
    return f"""\
The tars are read by [webdataset](https://github.com/webdataset/webdataset) as they are:

```python
from pathlib import Path

import webdataset

tars = sorted(str(tar) for tar in Path("{folder}").glob("*.tar"))
pictures = webdataset.WebDataset(tars, shardshuffle=False, empty_check=False).decode("pil")
for sample in pictures:
    image, known = sample["jpg"], sample["json"]
    print(known["key"], known["time_s"], image.size)
```

With `wtours`, any picture is at hand by its row of the index, and checked by its CRC-32:

```python
from wtours import open_shards

for shards in open_shards("{folder}"):
    index = shards.table()
    jpeg = shards.read_jpeg(0)
    print(shards.videos[0].name, index.num_rows, len(jpeg))
```

With [mlcroissant](https://github.com/mlcommons/croissant), by the description in
[croissant.json](croissant.json); its record sets are `index`, `cuts` and `pictures`:

```python
import mlcroissant

rows = mlcroissant.Dataset("croissant.json").records("index")
print(next(iter(rows)))
```

It keeps the tars that it unpacks in `~/.cache/croissant`, by their names alone: empty that folder
before it reads another data set, or another version of this one. `wtours verify` compares every
file with its recorded SHA-256. A clip is a run of ticks in one segment; columns and rules stand in
the format's own page, `wtours/shards/FORMAT.md`."""


def _statistics(videos: Sequence[VideoNumbers]) -> str:
    heads = ("video", "ticks", "pictures", "segments", "cuts", "faces covered", "in pictures", "L*")
    rows = [
        (
            plain(video.record.name),
            f"{video.ticks:,}",
            f"{video.pictures:,}",
            f"{video.segments:,}",
            "not sought" if video.cuts is None else f"{video.cuts:,}",
            "off" if video.covered is None else f"{video.covered:,}",
            "off" if video.covered is None else f"{video.pictures_with_covered:,}",
            " / ".join(f"{value:.0f}" for value in video.lightness),
        )
        for video in videos
    ]
    return (
        _table(heads, rows)
        + "\n\nTicks are the moments that were to be kept and have a picture. Faces covered are "
        "boxes, not persons: one person is counted in every picture. L* is the pictures' mean "
        "lightness, 0 to 100: 5th percentile, median, 95th."
    )


def _attribution(facts: CardFacts) -> str:
    lines = "\n".join(f"- {_credit(facts, video)}" for video in facts.videos)
    return (
        "The videos are their creators' work; keep [ATTRIBUTION.md](ATTRIBUTION.md) with the "
        f"pictures.\n\n{lines}"
    )


def _credit(facts: CardFacts, video: VideoNumbers) -> str:
    """The attribution line with true links: an address in running text would not stand escapes."""
    credit = video.credit
    if credit is None:
        return plain(video.record.attribution)
    by = "published by" if credit.published_only else "by"
    creator = f" {by} {creator_text(credit)}" if credit.creator else ""
    source = link(credit.url, web_address(credit.url))
    changed = plain(changes(facts.sets[video.folder].record.settings))
    return (
        f'"{plain(credit.title)}"{creator}, {source}, licence: {licence_text(credit)}; '
        f"changed: {changed}."
    )


def _citation() -> str:
    return (
        "Learning from such videos, and the ten videos called Walking Tours, were proposed in:\n\n"
        f"```bibtex\n{CITATION}\n```"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

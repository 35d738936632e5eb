"""Groups of videos that are compared: `WTours=data/shards/*` names one and says where it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from wtours import WtoursError, open_shards
from wtours.shards import ShardSet, require_local

EXAMPLE = 'give a name and where its shard sets are, such as --group "WTours=data/shards/*"'


@dataclass(frozen=True, kw_only=True)
class Group:
    """What the user calls a number of videos, and where they lie."""

    name: str
    paths: tuple[Path, ...]
    """Shard sets, or folders of them, each once."""


@dataclass(frozen=True, kw_only=True)
class OpenGroup:
    """A group with its shard sets."""

    name: str
    sets: tuple[ShardSet, ...]

    @property
    def videos(self) -> tuple[str, ...]:
        """Names of its videos, in the order of the sets."""
        return tuple(video.name for one in self.sets for video in one.videos)


def parse_group(text: str) -> Group:
    """Return the group of `NAME=PATTERN` or `NAME=PATTERN,PATTERN`.

    A pattern is a path in which `*`, `?`, `[...]` and `**` may stand, relative to the working
    folder or absolute; `~` is the home folder. Files that a pattern matches beside folders are
    passed over. What it matches is taken in the order of names.

    Raises:
        WtoursError: there is no name or no pattern, or a pattern matches no folder or is an
            address.
    """
    name, equals, patterns = text.partition("=")
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    if not name.strip() or not equals or not all(wanted):
        raise WtoursError(f"{text!r} is no group", remedy=EXAMPLE)
    paths: dict[Path, None] = {}
    for pattern in wanted:
        # Path.glob takes no absolute patterns.
        matches = glob(str(Path(pattern).expanduser()), recursive=True)  # noqa: PTH207
        folders = [Path(match) for match in sorted(matches) if Path(match).is_dir()]
        if not folders:
            require_local(pattern)
            raise WtoursError(
                f"group {name.strip()}: {pattern} matches no folder",
                remedy="look at the pattern with `ls`, and put quotes about it; shard sets are made"
                " with `wtours shard`",
            )
        paths |= dict.fromkeys(folders)
    return Group(name=name.strip(), paths=tuple(paths))


def open_groups(texts: Sequence[str]) -> tuple[OpenGroup, ...]:
    """Open the shard sets of groups, in the order given.

    Args:
        texts: as `parse_group` takes them.

    Raises:
        WtoursError: a text is no group, a name occurs twice, a pattern matches nothing, or a video
            is in two groups.
        ShardError: a folder holds no shard set, a set is damaged, or a video is twice in a group.
    """
    groups = [parse_group(text) for text in texts]
    named: set[str] = set()
    opened: list[OpenGroup] = []
    owners: dict[str, str] = {}
    for group in groups:
        if group.name in named:
            raise WtoursError(
                f"two groups are called {group.name}",
                remedy="give each another name, or one group both patterns, with a comma between",
            )
        named.add(group.name)
        opened.append(OpenGroup(name=group.name, sets=open_shards(*group.paths)))
        for video in opened[-1].videos:
            if video in owners:
                raise WtoursError(
                    f"video {video} is in group {owners[video]} and in group {group.name}",
                    remedy="leave it out of one of them: name sets one by one instead of by *",
                )
            owners[video] = group.name
    return tuple(opened)


def videos_to_groups(groups: Sequence[OpenGroup]) -> dict[str, str]:
    """Return video -> group, in the order of groups and of their videos."""
    return {video: group.name for group in groups for video in group.videos}


def parse_domains(texts: Sequence[str], groups: Sequence[str]) -> dict[str, str]:
    """Return group -> domain of texts such as `WTours=walks through cities`.

    Raises:
        WtoursError: a text is no such pair, or there is no such group.
    """
    domains: dict[str, str] = {}
    for text in texts:
        name, equals, domain = (part.strip() for part in text.partition("="))
        if not equals or not name or not domain:
            raise WtoursError(
                f"{text!r} is no domain of a group",
                remedy='give the group and what it shows, such as --domain "WTours=city walks"',
            )
        if name not in groups:
            raise WtoursError(
                f"there is no group {name} whose domain could be {domain!r}",
                remedy=f"name one of {', '.join(groups)}" if groups else EXAMPLE,
            )
        domains[name] = domain
    return domains

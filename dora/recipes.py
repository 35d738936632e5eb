"""Named changes of a run: the ablations of the paper, each beside the table that it belongs to.

A recipe is laid over a preset (`dora train --preset dora --recipe objects-6`), and several over one
another. `dora recipes` lists them with the options that each changes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dora.config import RunConfig
from dora.data.picture_folder import PictureFolder, PictureSet
from dora.errors import ConfigError

Wanted = Literal["anything", "pictures", "blurred shards", "unblurred shards"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One variant of a run."""

    name: str
    source: str
    """The table, figure or section of the paper."""
    purpose: str
    """What it tries, and what else it takes."""
    change: Callable[[RunConfig], RunConfig]
    wanted: Wanted = "anything"
    """What it is to be trained on."""


def _objects(count: int) -> Recipe:
    """K objects; more than 6 need as many heads, which the last block alone gets (B.2)."""

    def change(config: RunConfig) -> RunConfig:
        last_heads = count if count > config.model.heads else None
        return replace(
            config,
            model=replace(config.model, last_heads=last_heads),
            tracker=replace(config.tracker, objects=count),
        )

    return Recipe(
        name=f"objects-{count}",
        source="Table 2b" if count <= 6 else "B.2",
        purpose=f"{count} object{'s' if count > 1 else ''}",
        change=change,
    )


def _frames(count: int) -> Recipe:
    return Recipe(
        name=f"frames-{count}",
        source="Table 8",
        purpose=f"clips of {count} frame{'s' if count > 1 else ''} of a video",
        change=lambda config: replace(config, clip=replace(config.clip, frames=count)),
    )


def _without_sinkhorn(config: RunConfig) -> RunConfig:
    return replace(config, tracker=replace(config.tracker, sinkhorn=False))


def _random_masks(config: RunConfig) -> RunConfig:
    return replace(config, tracker=replace(config.tracker, mask="blocks"))


def _images(config: RunConfig) -> RunConfig:
    """One frame, whose sum over frames must not run on: it would be 1, 2/3, 1/3 of the objects."""
    return replace(
        config,
        clip=replace(config.clip, frames=1),
        loss=replace(config.loss, carry_frame_sum=False),
    )


def _across_cuts(config: RunConfig) -> RunConfig:
    return replace(config, clip=replace(config.clip, cross_cuts=True))


def _dino(config: RunConfig) -> RunConfig:
    """Plain DINO sees two global views, and flips every view (its section 3.2)."""
    view = replace(config.augment.global_views[0], flip=0.5, solarise=0.0)
    augment = replace(
        config.augment,
        global_views=(replace(view, blur=1.0), replace(view, blur=0.1, solarise=0.2)),
        local_view=replace(config.augment.local_view, flip=0.5),
    )
    return replace(config, method="dino", augment=augment)


def _adamw(config: RunConfig) -> RunConfig:
    return replace(config, optim=replace(config.optim, name="adamw"))


def _as_it_is(config: RunConfig) -> RunConfig:
    return config


RECIPES: tuple[Recipe, ...] = (
    *(_objects(count) for count in (1, 2, 3, 4, 5, 6, 16, 32)),
    Recipe(
        name="no-sinkhorn",
        source="Table 2c",
        purpose="prototypes as the heads give them (Eq. 3)",
        change=_without_sinkhorn,
    ),
    Recipe(
        name="random-masks",
        source="Table 2c",
        purpose="random blocks in the place of objects",
        change=_random_masks,
    ),
    *(_frames(count) for count in (1, 2, 4, 6, 8)),
    Recipe(
        name="images",
        source="appendix D (DoRA*)",
        purpose="single images; with --data FOLDER",
        change=_images,
        wanted="pictures",
    ),
    Recipe(
        name="across-cuts",
        source="difference 31",
        purpose="clips that go on over cuts; without it they do not",
        change=_across_cuts,
    ),
    Recipe(
        name="dino",
        source="DINO rows",
        purpose="plain DINO on the frames of the same clips",
        change=_dino,
    ),
    Recipe(
        name="adamw",
        source="none",
        purpose="the paper's text with AdamW; with --preset paper",
        change=_adamw,
    ),
    Recipe(
        name="blurred",
        source="appendix C",
        purpose="a name for the run; on shards of `wtours shard`",
        change=_as_it_is,
        wanted="blurred shards",
    ),
    Recipe(
        name="unblurred",
        source="appendix C",
        purpose="the same run; on shards of the same videos by `wtours shard --no-blur`",
        change=_as_it_is,
        wanted="unblurred shards",
    ),
)


def with_recipes(config: RunConfig, names: Sequence[str]) -> RunConfig:
    """Return a run with recipes laid over it, in their order; its label names them.

    Raises:
        ConfigError: there is no such recipe, or it does not fit the run.
    """
    for name in names:
        config = named_recipe(name).change(config)
    return replace(config, preset="+".join((config.preset, *names)))


def named_recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        ConfigError: there is none; the remedy lists those there are.
    """
    found = [recipe for recipe in RECIPES if recipe.name == name]
    if not found:
        raise ConfigError(
            f"no recipe is called {name!r}",
            remedy=f"use one of {', '.join(recipe.name for recipe in RECIPES)}",
        )
    return found[0]


def require_wanted(names: Sequence[str], sets: Sequence[PictureSet]) -> None:
    """Refuse to train a recipe on what it is not made for, such as `unblurred` on blurred shards.

    Raises:
        ConfigError: names the recipe, and the set at fault.
    """
    for recipe in map(named_recipe, names):
        for one in sets:
            if recipe.wanted not in ("anything", _kind(one)):
                raise ConfigError(
                    f"the recipe {recipe.name} is for {recipe.wanted}, and {one.address} holds "
                    f"{_kind(one)}",
                    remedy=f"see `dora recipes`: {recipe.purpose}",
                )


def _kind(one: PictureSet) -> Wanted:
    if isinstance(one, PictureFolder):
        return "pictures"
    return "blurred shards" if one.record.settings.get("blur") else "unblurred shards"

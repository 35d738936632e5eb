"""The run that a command line asks for: preset, recipes, network, options, in this order."""

from collections.abc import Sequence
from dataclasses import replace

from dora.config import RunConfig
from dora.config_text import with_settings
from dora.presets import named_preset
from dora.recipes import with_recipes


def chosen_run(
    preset: str,
    *,
    recipes: Sequence[str],
    arch: str | None,
    pictures: bool,
    settings: Sequence[str],
) -> RunConfig:
    """Return the configuration of a run.

    Args:
        preset: the named run to start from.
        recipes: laid over it.
        arch: name of the network, if not the preset's.
        pictures: whether clips are single pictures: they then have one frame, and an epoch is all
            of them once, unless the settings say or weigh how many.
        settings: options as NAME=VALUE, the last word.

    Raises:
        ConfigError: there is no such preset, recipe, network or option, or they contradict.
    """
    config = named_preset(preset)
    if arch is not None:
        from dora.model.architectures import with_architecture  # timm: seconds

        config = replace(config, model=with_architecture(config.model, arch))
    config = with_recipes(config, recipes)
    return with_settings(config, [*(_of_pictures(settings) if pictures else ()), *settings])


def _of_pictures(settings: Sequence[str]) -> list[str]:
    mixed = any(setting.startswith("data.mix=") for setting in settings)
    return ["clip.frames=1"] if mixed else ["clip.frames=1", "data.clips_per_epoch=all"]

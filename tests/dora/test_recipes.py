"""Recipes change what they say and nothing else, fit every preset, and refuse other data."""

from pathlib import Path

import pytest

from dora.chosen_run import chosen_run
from dora.config import ClipConfig, RunConfig
from dora.config_text import config_from_json, config_to_json, differences
from dora.data.picture_folder import PictureFolder, open_picture_folder
from dora.errors import ConfigError
from dora.presets import PRESETS, dora, paper
from dora.recipes import RECIPES, named_recipe, require_wanted, with_recipes
from tests.shard_making import make_shard_set
from wtours.shards import open_shards

CHANGES = {
    **{f"objects-{k}": {"tracker.objects": k} for k in (1, 2, 4, 5, 6)},
    "objects-3": {},
    "objects-16": {"tracker.objects": 16, "model.last_heads": 16},
    "objects-32": {"tracker.objects": 32, "model.last_heads": 32},
    "no-sinkhorn": {"tracker.sinkhorn": False},
    "random-masks": {"tracker.mask": "blocks"},
    **{f"frames-{t}": {"clip.frames": t} for t in (1, 2, 4, 6)},
    "frames-8": {},
    "images": {"clip.frames": 1},
    "across-cuts": {"clip.cross_cuts": True},
    "dino": {"method": "dino", "augment.global_views": None, "augment.local_view.flip": 0.5},
    "adamw": {},
    "blurred": {},
    "unblurred": {},
}


def test_every_recipe_is_tried() -> None:
    assert [recipe.name for recipe in RECIPES] == list(dict.fromkeys(r.name for r in RECIPES))
    assert set(CHANGES) == {recipe.name for recipe in RECIPES}


@pytest.mark.parametrize("name", CHANGES)
def test_a_recipe_changes_its_options_alone(name: str) -> None:
    changed = differences(named_recipe(name).change(dora()), dora())
    assert [phrase.split()[0] for phrase in changed] == sorted(CHANGES[name])
    for phrase in changed:
        option, new, *_ = phrase.split(maxsplit=2)
        assert CHANGES[name][option] is None or new == repr(CHANGES[name][option])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", CHANGES)
def test_every_recipe_fits_every_preset_and_survives_as_text(name: str, preset: str) -> None:
    config = with_recipes(PRESETS[preset](), [name])
    assert config.preset == f"{preset}+{name}"
    assert config_from_json(config_to_json(config), source="here") == config


def test_single_images_never_carry_the_frame_sum_on() -> None:
    """At T = 1 the carried sum would weigh three objects 1, 2/3, 1/3."""
    assert not with_recipes(PRESETS["released"](), ["images"]).loss.carry_frame_sum


def test_the_paper_with_adamw_is_the_paper_otherwise() -> None:
    changed = differences(with_recipes(paper(), ["adamw"]), paper())
    assert [phrase.split()[0] for phrase in changed] == ["optim.name", "preset"]


def test_plain_dino_sees_the_two_views_of_its_paper() -> None:
    first, second = with_recipes(dora(), ["dino"]).augment.global_views
    assert (first.flip, first.blur, first.solarise) == (0.5, 1.0, 0.0)
    assert (second.flip, second.blur, second.solarise) == (0.5, 0.1, 0.2)


def test_recipes_are_laid_over_one_another_in_their_order() -> None:
    config = with_recipes(dora(), ["objects-6", "frames-4", "no-sinkhorn", "frames-2"])
    assert config.preset == "dora+objects-6+frames-4+no-sinkhorn+frames-2"
    assert (config.tracker.objects, config.clip.frames, config.tracker.sinkhorn) == (6, 2, False)


def test_more_objects_than_the_width_has_room_for_are_refused() -> None:
    with pytest.raises(ConfigError, match="192 cannot be split over 5 heads"):
        chosen_run("dora", recipes=["objects-5"], arch="vit_tiny", pictures=False, settings=[])


def test_an_unknown_recipe_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no recipe is called 'objects-7'") as fault:
        with_recipes(dora(), ["objects-7"])
    assert "objects-6" in fault.value.remedy


def chosen(**changed: object) -> RunConfig:
    asked = {"recipes": [], "arch": None, "pictures": False, "settings": []} | changed
    return chosen_run("dora", **asked)


def test_the_last_word_is_the_settings() -> None:
    config = chosen(recipes=["frames-4"], arch="vit_base", settings=["clip.frames=2", "epochs=300"])
    assert (config.clip.frames, config.epochs) == (2, 300)
    assert (config.model.width, config.model.heads, config.model.drop_path) == (768, 12, 0.1)


def test_pictures_are_clips_of_one_frame_and_an_epoch_all_of_them() -> None:
    config = chosen(pictures=True)
    assert (config.clip, config.data.clips_per_epoch) == (ClipConfig(frames=1), "all")
    config = chosen(pictures=True, settings=["data.clips_per_epoch=5000"])
    assert config.data.clips_per_epoch == 5000
    config = chosen(pictures=True, settings=['data.mix=[["a", 2.0], ["b", 1.0]]'])
    assert config.data.clips_per_epoch == 200_000


@pytest.fixture
def pictures(tmp_path: Path) -> PictureFolder:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    return open_picture_folder(tmp_path / "photos")


def test_recipes_refuse_data_of_another_kind(tmp_path: Path, pictures: PictureFolder) -> None:
    shards = open_shards(make_shard_set(tmp_path / "walk", frames=4))
    blurred = bool(shards[0].record.settings.get("blur"))
    right, wrong = ("blurred", "unblurred") if blurred else ("unblurred", "blurred")
    require_wanted([right, "objects-6"], shards)
    require_wanted(["images", "no-sinkhorn"], [pictures])
    for name, sets in ((wrong, shards), ("images", shards), ("blurred", [pictures])):
        with pytest.raises(ConfigError, match=f"the recipe {name} is for"):
            require_wanted([name], sets)

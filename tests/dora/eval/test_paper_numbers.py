from dataclasses import replace

import pytest

from dora.errors import DoraError
from dora.eval.paper_numbers import closest_row, paper_row, paper_rows, paper_tables
from tests.dora.eval.tiny_networks import tiny_network


def test_every_number_has_a_table_and_is_a_share() -> None:
    for row in paper_rows().values():
        assert set(row.numbers) <= set(paper_tables())
        assert all(0 < number < 100 for number in row.numbers.values())
    assert paper_row("DoRA, WT-Venice").numbers["k-NN"] == 33.8
    assert "44.5" in (paper_row("DoRA, WT-Venice").remark or "")


def test_row_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(DoraError, match="no row 'DORA'") as caught:
        paper_row("DORA")
    assert "DoRA, WT-Venice; DoRA, WT-all" in caught.value.remedy


def test_closest_row_follows_from_where_the_weights_come_from() -> None:
    untrained = tiny_network()
    names = [
        closest_row(replace(untrained, origin=origin)).name for origin in ("untrained", "file")
    ]
    assert names == ["untrained ViT-S", "DoRA, WT-Venice"]


@pytest.mark.parametrize(
    ("asked", "row"),
    [
        ("timm:vit_small_patch16_224.dino", "DINO, IN-1k"),
        ("timm:vit_small_patch16_224.dino@kept.pth", "DINO, IN-1k"),
        ("timm:resnet50", "DoRA, WT-Venice"),
        ("timm:resnet50@weights.dino", "DoRA, WT-Venice"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "DoRA, WT-Venice"),
        ("timm:convnext_tiny.dinov3_lvd1689m", "DoRA, WT-Venice"),
    ],
)
def test_only_dinos_networks_of_timm_stand_beside_dino(asked: str, row: str) -> None:
    network = replace(tiny_network(), origin="timm", asked=asked)
    assert closest_row(network).name == row

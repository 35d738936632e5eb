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
        closest_row(replace(untrained, origin=origin)).name
        for origin in ("untrained", "timm", "file")
    ]
    assert names == ["untrained ViT-S", "DINO, IN-1k", "DoRA, WT-Venice"]

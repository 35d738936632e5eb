import pytest
import torch

from dora.tracking.prototypes import draw_heads, normalise_tokens


@pytest.mark.parametrize("per_clip", [True, False])
def test_heads_are_distinct_repeatable_and_equally_likely(per_clip: bool) -> None:
    options = {"view": 0, "heads": 6, "objects": 3}
    options["shared_from"] = None if per_clip else 0
    positions = range(2000)
    heads_BK = draw_heads(1, positions, **options)
    assert heads_BK.shape == (2000, 3)
    assert torch.equal(heads_BK, draw_heads(1, positions, **options))
    assert all(len(set(heads.tolist())) == 3 for heads in heads_BK)
    if per_clip:
        counts = heads_BK.flatten().bincount(minlength=6)
        assert ((counts - 1000).abs() < 150).all(), counts
    else:
        assert (heads_BK == heads_BK[0]).all()
        for seed, first, view in ((1, 2000, 0), (2, 0, 0), (1, 0, 1)):
            other = options | {"view": view}
            again = [
                draw_heads(seed, [7], **(other | {"shared_from": first + batch}))[0].tolist()
                for batch in range(20)
            ]
            firsts = [
                draw_heads(1, [7], **(options | {"shared_from": batch}))[0].tolist()
                for batch in range(20)
            ]
            assert again != firsts


def test_heads_of_a_clip_depend_on_its_position_and_not_on_its_neighbours() -> None:
    options = {"view": 1, "heads": 6, "objects": 3, "shared_from": None}
    together = draw_heads(3, [8, 9, 10, 11], **options)
    for rank in range(2):
        alone = draw_heads(3, [8 + rank, 10 + rank], **options)
        assert torch.equal(alone, together[rank::2])


def test_all_heads_are_drawn_where_there_are_as_many_objects() -> None:
    heads_BK = draw_heads(0, range(4), view=0, heads=16, objects=16, shared_from=None)
    assert torch.equal(heads_BK.sort(dim=1).values, torch.arange(16).expand(4, 16))


def test_a_token_of_zeros_stays_finite() -> None:
    tokens = torch.zeros(1, 2, 4)
    tokens[0, 1] = 3.0
    assert torch.equal(normalise_tokens(tokens), torch.tensor([[[0.0] * 4, [0.5] * 4]]))

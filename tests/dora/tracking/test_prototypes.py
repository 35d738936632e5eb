import pytest
import torch

from dora.tracking.prototypes import draw_heads, normalise_tokens


@pytest.mark.parametrize("per_clip", [True, False])
def test_heads_are_distinct_repeatable_and_equally_likely(per_clip: bool) -> None:
    options = {"clips": 2000, "heads": 6, "objects": 3, "per_clip": per_clip}
    heads_BK = draw_heads(torch.Generator().manual_seed(1), **options)
    assert heads_BK.shape == (2000, 3)
    assert torch.equal(heads_BK, draw_heads(torch.Generator().manual_seed(1), **options))
    assert all(len(set(heads.tolist())) == 3 for heads in heads_BK)
    if per_clip:
        counts = heads_BK.flatten().bincount(minlength=6)
        assert ((counts - 1000).abs() < 150).all(), counts
    else:
        assert (heads_BK == heads_BK[0]).all()
        again = draw_heads(torch.Generator().manual_seed(2), **options)
        assert not torch.equal(heads_BK, again)


def test_all_heads_are_drawn_where_there_are_as_many_objects() -> None:
    heads_BK = draw_heads(torch.Generator(), clips=4, heads=16, objects=16, per_clip=True)
    assert torch.equal(heads_BK.sort(dim=1).values, torch.arange(16).expand(4, 16))


def test_a_token_of_zeros_stays_finite() -> None:
    tokens = torch.zeros(1, 2, 4)
    tokens[0, 1] = 3.0
    assert torch.equal(normalise_tokens(tokens), torch.tensor([[[0.0] * 4, [0.5] * 4]]))

import pytest
import torch

from dora.model.stochastic_depth import draw_kept_paths, path_rates


def test_rates_grow_linearly_over_the_blocks() -> None:
    assert path_rates(0.1, depth=3).tolist() == pytest.approx([0, 0, 0.05, 0.05, 0.1, 0.1])


def test_paths_are_left_out_at_their_rates_and_their_mean_is_kept() -> None:
    kept_PBM = draw_kept_paths(0, range(40), images=100, depth=3, rate=0.5)
    assert kept_PBM.shape == (6, 40, 100)
    assert (kept_PBM[:2] == 1).all()
    for paths, rate in zip(kept_PBM, [0, 0, 0.25, 0.25, 0.5, 0.5], strict=True):
        torch.testing.assert_close(paths[paths > 0].unique(), torch.tensor([1 / (1 - rate)]))
        assert abs(float((paths == 0).float().mean()) - rate) < 0.03
        assert abs(float(paths.mean()) - 1) < 0.05
    # Neither two paths of a block nor two clips share their draws.
    assert not torch.equal(kept_PBM[4], kept_PBM[5])
    assert not torch.equal(kept_PBM[:, 0], kept_PBM[:, 1])


def test_a_clip_s_draws_depend_on_seed_and_position_alone() -> None:
    together = draw_kept_paths(3, [8, 9, 10, 11], images=5, depth=4, rate=0.4)
    alone = draw_kept_paths(3, [10], images=5, depth=4, rate=0.4)
    assert torch.equal(together[:, 2:3], alone)
    assert torch.equal(draw_kept_paths(3, [10], images=3, depth=4, rate=0.4), alone[:, :, :3])
    assert not torch.equal(draw_kept_paths(4, [10], images=5, depth=4, rate=0.4), alone)


def test_a_rate_of_one_leaves_the_last_block_out() -> None:
    kept = draw_kept_paths(0, [0], images=50, depth=2, rate=1.0)
    assert (kept[2:] == 0).all()
    assert (kept[:2] == 1).all()

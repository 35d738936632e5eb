import numpy as np
import pytest
import torch

from dora.tracking.sinkhorn import assign
from tests.references import golden
from tests.references.tracker import sinkhorn

CASES = golden.names("sinkhorn.npz")
ROUTINES = [case for case in CASES if not case.startswith("iterate")]


@pytest.mark.parametrize("case", ROUTINES)
def test_assignment_equals_the_published_one_where_that_is_finite(case: str) -> None:
    arrays = golden.load("sinkhorn.npz", case)
    ours = assign(
        torch.from_numpy(arrays["logits"]),
        epsilon=float(arrays["eps"]),
        iterations=int(arrays["iters"]),
    ).numpy()
    exact, published = arrays["out_log64"], arrays["out"]
    assert np.isfinite(ours[np.isfinite(exact)]).all()
    np.testing.assert_allclose(ours[np.isfinite(exact)], exact[np.isfinite(exact)], atol=5e-5)
    finite = np.isfinite(published)
    np.testing.assert_allclose(ours[finite], published[finite], rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", ["iterate_noinf", "iterate_inf"])
def test_iteration_equals_the_published_one(case: str) -> None:
    """A plan Q is reached from logits log Q; its infinite entries stand for the largest finite."""
    arrays = golden.load("sinkhorn.npz", case)
    plan_BKN = torch.from_numpy(arrays["Q"])
    for clip in plan_BKN:
        clip[clip.isinf()] = clip[clip.isfinite()].max()
    logits = plan_BKN.double().log().transpose(1, 2)
    ours = assign(logits, epsilon=1.0, iterations=int(arrays["iters"]))
    assert golden.largest_difference(ours, arrays["out"]) < 1e-5


def test_every_golden_case_is_tried() -> None:
    assert len(ROUTINES) == 15
    assert set(CASES) - set(ROUTINES) == {"iterate_inf", "iterate_noinf"}


@pytest.mark.parametrize("prototypes", [1, 3, 7])
@pytest.mark.parametrize("iterations", [1, 2, 30])
@pytest.mark.parametrize("epsilon", [0.05, 0.5])
def test_assignment_equals_a_loop_and_has_its_marginals(
    prototypes: int, iterations: int, epsilon: float
) -> None:
    logits = np.random.default_rng(prototypes).normal(size=(2, 20, prototypes)) * 0.3
    ours = assign(torch.from_numpy(logits), epsilon=epsilon, iterations=iterations).numpy()
    for clip in range(2):
        np.testing.assert_allclose(
            ours[clip], sinkhorn(logits[clip], epsilon, iterations), rtol=1e-5, atol=1e-7
        )
    np.testing.assert_allclose(ours.sum(axis=2), 1, atol=1e-6)
    if iterations == 30 and epsilon == 0.5:
        np.testing.assert_allclose(ours.sum(axis=1), 20 / prototypes, rtol=1e-4)


def test_a_constant_added_to_a_clip_changes_nothing() -> None:
    logits = torch.randn(2, 16, 3, dtype=torch.float64)
    first = assign(logits, epsilon=0.05, iterations=30)
    again = assign(logits + torch.tensor([1e4, -3e4])[:, None, None], epsilon=0.05, iterations=30)
    torch.testing.assert_close(first, again, rtol=0, atol=1e-6)

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from dora.errors import DoraError
from dora.eval import feature_store, features
from dora.eval.computing import Computing
from dora.eval.features import FeatureKind, Features, extract_features
from dora.eval.knn import score_knn
from dora.eval.pictures import read_picture
from tests.dora.eval.tiny_networks import ON_CPU, tiny_network, write_noise

KIND = FeatureKind(image_px=32)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (features, feature_store):
        monkeypatch.setattr(module, "CHUNK", 4)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write_noise(tmp_path / "data", pictures=10)


def extract(paths: list[Path], computing: Computing, kind: FeatureKind = KIND) -> Features:
    return extract_features(
        tiny_network(), paths, kind=kind, computing=computing, root=paths[0].parent
    )


def test_features_are_cls_tokens_whatever_the_batch_and_the_workers(paths: list[Path]) -> None:
    network = tiny_network().network
    images = torch.stack([read_picture(path, image_px=32) for path in paths])
    expected = network.cls(network.normalise(images))
    for batch, workers in ((1, 3), (2, 1), (5, 2), (80, 1)):
        progress = Progress(console=Console(file=io.StringIO()))
        found = extract(paths, Computing(batch=batch, workers=workers, progress=progress))
        assert [len(chunk) for chunk in found.chunks] == [4, 4, 2]
        torch.testing.assert_close(torch.cat(found.chunks), expected)
        assert progress.tasks[-1].completed == 10


def test_columns_are_cls_of_the_last_blocks_and_then_the_mean_of_patches(
    paths: list[Path],
) -> None:
    network = tiny_network().network
    images = network.normalise(torch.stack([read_picture(p, image_px=32) for p in paths]))
    tokens = network.blocks(images, n_last=2)
    both = extract(paths, ON_CPU, FeatureKind(image_px=32, blocks=2, patch_mean=True))
    expected = torch.cat([*tokens.cls, tokens.patches[-1].mean(dim=1)], dim=1)
    torch.testing.assert_close(torch.cat(both.chunks), expected)
    torch.testing.assert_close(both.rows(torch.tensor([9, 0, 5])), expected[[9, 0, 5]])


def test_features_are_kept_and_found_again_by_all_that_they_depend_on(
    paths: list[Path], tmp_path: Path
) -> None:
    kept = Computing(batch=5, cache=tmp_path / "kept")
    first = extract(paths, kept)
    again = extract(paths, kept)
    assert (first.facts.reused_pictures, again.facts.reused_pictures) == (0, 10)
    assert first.facts.kept_bytes == 10 * 64 * 4
    assert all(torch.equal(a, b) for a, b in zip(first.chunks, again.chunks, strict=True))
    others = [
        extract(paths[:9], kept),
        extract(paths, kept, FeatureKind(image_px=48)),
        extract(paths, replace(kept, precision="bf16")),
        extract_features(
            tiny_network(seed=1), paths, kind=KIND, computing=kept, root=paths[0].parent
        ),
    ]
    paths[3].write_bytes(paths[4].read_bytes())
    others.append(extract(paths, kept))
    assert [other.facts.reused_pictures for other in others] == [0] * 5
    assert len(list((tmp_path / "kept").iterdir())) == 6


def test_data_set_that_was_moved_keeps_its_features(paths: list[Path], tmp_path: Path) -> None:
    kept = Computing(batch=5, cache=tmp_path / "kept")
    extract(paths, kept)
    moved = paths[0].parent.rename(tmp_path / "elsewhere")
    again = extract([moved / path.name for path in paths], kept)
    assert again.facts.reused_pictures == 10


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param(range(1, 10, 3), id="some"),
        pytest.param(range(10), id="all", marks=pytest.mark.slow),
    ],
)
def test_run_that_was_stopped_at_any_picture_goes_on_with_equal_features(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: range
) -> None:
    computing = Computing(batch=2, workers=1)
    expected = torch.cat(extract(paths, computing).chunks)
    for stop in stops:
        kept = replace(computing, cache=tmp_path / f"kept {stop}")
        stopped_at = paths[stop]

        def read_or_stop(path: Path, *, image_px: int, stopped_at: Path = stopped_at) -> Tensor:
            if path == stopped_at:
                raise KeyboardInterrupt
            return read_picture(path, image_px=image_px)

        with monkeypatch.context() as patch:
            patch.setattr(features, "read_picture", read_or_stop)
            with pytest.raises(KeyboardInterrupt):
                extract(paths, kept)
        resumed = extract(paths, kept)
        assert resumed.facts.reused_pictures == stop // 4 * 4
        assert torch.equal(torch.cat(resumed.chunks), expected)
        assert not list(tmp_path.rglob("*.partial"))


def test_damaged_chunk_is_named_and_made_again(paths: list[Path], tmp_path: Path) -> None:
    kept = Computing(batch=5, cache=tmp_path / "kept")
    expected = torch.cat(extract(paths, kept).chunks)
    (chunk,) = (tmp_path / "kept").rglob("000001.npy")
    whole = chunk.read_bytes()
    for damaged in (b"", whole[:100], whole[:200]):
        chunk.write_bytes(damaged)
        with pytest.raises(DoraError, match=r"000001\.npy is no whole chunk") as caught:
            extract(paths, kept)
        assert "remove the file" in caught.value.remedy
    np.save(chunk, np.zeros((4, 63), dtype=np.float32))
    with pytest.raises(DoraError, match=r"of \(4, 63\), not float32 of \(4, 64\)"):
        extract(paths, kept)
    chunk.unlink()
    again = extract(paths, kept)
    assert again.facts.reused_pictures == 6
    assert torch.equal(torch.cat(again.chunks), expected)


def test_folder_that_cannot_hold_features_is_named(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DoraError, match="cannot be written") as caught:
        extract(paths, Computing(cache=tmp_path / "file"))
    assert "--cache" in caught.value.remedy


def test_half_precision_is_near_full_precision(paths: list[Path]) -> None:
    full, half = (
        torch.cat(extract(paths, Computing(precision=precision)).chunks)
        for precision in ("float32", "bf16")
    )
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    assert (full - half).norm() < 0.03 * full.norm()


def test_shares_of_any_number_of_processes_make_up_the_whole(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = extract(paths, ON_CPU).chunks
    for processes in (1, 2, 3, 5):
        monkeypatch.setattr(features, "world_size", lambda processes=processes: processes)
        shares = []
        for own in range(processes):
            monkeypatch.setattr(features, "rank", lambda own=own: own)
            shares.append(
                features._compute(
                    tiny_network(),
                    paths,
                    range(3),
                    kind=KIND,
                    computing=ON_CPU,
                    store=None,
                    title="",
                )
            )
        assert sorted(chunk for share in shares for chunk in share) == [0, 1, 2]
        for share in shares:
            assert all(torch.equal(made, expected[chunk]) for chunk, made in share.items())


WORKER = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from dora.eval import feature_store, features
from dora.eval.computing import Computing
from dora.eval.features import FeatureKind, extract_features
from dora.eval.knn import score_knn
from dora.train.distributed import process_group, rank
from tests.dora.eval.tiny_networks import tiny_network
features.CHUNK = feature_store.CHUNK = 4
folder = Path(sys.argv[1])
paths = sorted((folder / "data").iterdir())
with process_group(torch.device("cpu")):
    for cache in (None, folder / "kept by two"):
        found = extract_features(
            tiny_network(), paths, kind=FeatureKind(image_px=32, blocks=2),
            computing=Computing(batch=3, cache=cache), root=folder / "data",
        )
        torch.save(torch.cat(found.chunks), folder / f"{rank()} {cache is None}.pt")
    labels = torch.arange(len(paths)) % 3
    scores = score_knn(found.chunks, labels, found.chunks, labels, classes=3, ks=(1, 4))
    (folder / f"{rank()}.txt").write_text(str(scores))
"""


@pytest.mark.slow
def test_two_processes_share_the_work_and_have_equal_features(
    paths: list[Path], tmp_path: Path
) -> None:
    kind = FeatureKind(image_px=32, blocks=2)
    alone = extract(paths, Computing(batch=3), kind)
    expected = torch.cat(alone.chunks)
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    outcome = subprocess.run(
        [*words, str(script), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    labels = torch.arange(len(paths)) % 3
    scores = score_knn(alone.chunks, labels, alone.chunks, labels, classes=3, ks=(1, 4))
    for name in ("0 True", "1 True", "0 False", "1 False"):
        assert torch.equal(torch.load(tmp_path / f"{name}.pt"), expected)
    assert [(tmp_path / f"{r}.txt").read_text() for r in (0, 1)] == [str(scores)] * 2

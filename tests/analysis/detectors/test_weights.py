"""Weights are fetched once, resumed, and known again by the hash of their first use."""

import hashlib
from pathlib import Path

import pytest

from analysis.detectors.weights import ADDRESS, DEFAULT, download_detic
from tests.wtours.web_server import Site, serve
from wtours import WtoursError
from wtours.fetch.file import bring_file
from wtours.fetch.settings import FetchSettings, StepProgress

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 400


def bring(url: str, path: Path, progress: StepProgress) -> None:
    """Fetch as the command does, without its patience."""
    settings = FetchSettings(retries=0, first_wait_s=0.01, timeout_s=5)
    bring_file(url, path, progress, settings=settings)


def test_the_default_is_the_model_of_the_readme_at_the_official_address() -> None:
    assert ADDRESS.format(name=DEFAULT) == (
        "https://dl.fbaipublicfiles.com/detic/"
        "Detic_LCOCOI21k_CLIP_SwinB_896b32_4x_ft4x_max-size.pth"
    )


def test_a_broken_download_goes_on_and_is_not_repeated(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with serve(Site(content=CONTENT, cuts=[60_000], content_type="application/x-tar")) as site:
        address = f"{site.base}/videos/{{name}}.pth"

        def fetch() -> Path:
            return download_detic(
                tmp_path / "weights",
                bring=bring,
                name="tiny",
                progress=lambda done, total: told.append((done, total)),
                address=address,
            )

        with pytest.raises(WtoursError, match="60000"):
            fetch()
        assert not (tmp_path / "weights" / "tiny.pth").exists()
        path = fetch()
        assert path.read_bytes() == CONTENT
        assert [wanted for wanted, _ in site.asked] == [None, "bytes=60000-"]
        assert told[-1] == (len(CONTENT), len(CONTENT))
        assert fetch() == path
        assert len(site.asked) == 2
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert (path.parent / "tiny.pth.sha256").read_text() == f"{sha256}  tiny.pth\n"
    assert sorted(file.name for file in path.parent.iterdir()) == ["tiny.pth", "tiny.pth.sha256"]


def test_a_file_that_changed_after_its_first_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pth"
    path.write_bytes(CONTENT)
    assert download_detic(tmp_path, bring=bring, name="tiny") == path
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(WtoursError, match=r"tiny\.pth has SHA-256 .* but tiny\.pth\.sha256 says"):
        download_detic(tmp_path, bring=bring, name="tiny")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WtoursError, match="no name of a model"):
        download_detic(tmp_path, bring=bring, name=name)


def test_a_page_in_place_of_weights_is_refused(tmp_path: Path) -> None:
    with (
        serve(Site(content=b"<html>sign in</html>", content_type="text/html")) as site,
        pytest.raises(WtoursError),
    ):
        download_detic(
            tmp_path, bring=bring, name="tiny", address=f"{site.base}/videos/{{name}}.pth"
        )
    assert not (tmp_path / "tiny.pth").exists()

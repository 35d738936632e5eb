import pytest

from dora.eval.logged_progress import LoggedProgress


def test_line_says_how_far_it_is_and_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with LoggedProgress(every_s=0) as progress:
        task = progress.add_task("features", total=8)
        for _ in range(8):
            progress.advance(task, 1)
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert [line.partition(",")[0] for line in lines] == [f"features {n}/8" for n in range(1, 9)]
    assert lines[-2].endswith("s left")


def test_short_work_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    with LoggedProgress() as progress:
        progress.advance(progress.add_task("features", total=2), 2)
    assert capsys.readouterr().err == ""

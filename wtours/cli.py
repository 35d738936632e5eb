"""The program `wtours`: its commands, put together."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

from cyclopts import App, Parameter

from wtours.commands.places import SHARDS
from wtours.commands.shards import audit, blur, card, cuts, shard
from wtours.commands.videos import doctor, fetch, verify
from wtours.outcome import end_with
from wtours.progress import progress_bars

app = App(
    name="wtours",
    version=version("wtours"),
    help="Turn first-person videos into training data that can be trusted.",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,  # `main` says what was stopped
    help_epilogue="Every command takes --debug, which shows the traceback of an error.",
)
app.register_install_completion_command()
for command in (fetch, verify, cuts, blur, shard, audit, card):
    app.command(command)


@app.command
def analyze(
    *,
    shards: Annotated[list[Path], Parameter(consume_multiple=True)] = [SHARDS],  # noqa: B006
    out: Path = Path("data/analysis"),
) -> None:
    """Write lightness over time and shots as tables, figures and one page.

    Args:
        shards: shard sets, or folders of them.
        out: folder for index.html, tables/ and figures/.
    """
    from analysis.report import write_report
    from wtours.shards import open_shards

    with progress_bars() as advance:
        report = write_report(
            open_shards(*shards),
            out,
            progress=lambda step, share: advance("analysing", share, 1.0, step),
        )
    print(report.page)


@app.command
def demo(*, out: Path = Path("data/demo")) -> None:
    """Do everything once on a small rendered walk, in about five minutes.

    Args:
        out: folder for all that it makes.
    """
    from wtours.demo import run_demo

    run_demo(out)


app.command(doctor)


def main(tokens: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; exit with 2 for a user's mistake and 1 for what is not theirs."""
    given = list(sys.argv[1:] if tokens is None else tokens)
    words = [token for token in given if token != "--debug"]
    end_with(lambda: app(words, result_action="return_value"), debug="--debug" in given)

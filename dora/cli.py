"""The program `dora`: its commands, put together."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from cyclopts import App, Parameter

from dora.command_end import end_with
from dora.commands.evaluate import knn, linear
from dora.commands.evaluate_dense import davis, discovery
from dora.commands.evaluate_suite import suite
from dora.commands.export import export
from dora.commands.finetune import finetune
from dora.commands.recipes import recipes
from dora.commands.runs import plot, runs
from dora.commands.train import train
from dora.commands.visualise import attention, tracks

app = App(
    name="dora",
    version=version("wtours"),
    help="Pretrain a ViT on shards of video by discovering and tracking objects.",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,  # `main` says what was stopped
    help_epilogue="Every command takes --debug, which shows the traceback of an error.",
)
evaluations = App(name="eval", help="What a backbone is worth, by the paper's protocols.")
pictures = App(name="visualise", help="What a backbone attends to and follows.")
app.register_install_completion_command()
app.command(train)
app.command(recipes)
app.command(runs)
app.command(plot)
app.command(evaluations)
app.command(pictures)
app.command(export)
evaluations.command(knn)
evaluations.command(linear)
evaluations.command(finetune)
evaluations.command(discovery)
evaluations.command(davis)
evaluations.command(suite)
pictures.command(tracks)
pictures.command(attention)


def main(tokens: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; exit with 2 for a user's mistake and 1 for what is not theirs."""
    given = list(sys.argv[1:] if tokens is None else tokens)
    words = [token for token in given if token != "--debug"]
    end_with(lambda: app(words, result_action="return_value"), debug="--debug" in given)

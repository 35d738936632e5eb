"""One evaluation as a command runs it: processes joined, network loaded, outcome told and kept."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dora.eval.computing import Computing, Meter, Precision
from dora.eval.features import FeatureFacts
from dora.eval.loading import Evaluated, open_network
from dora.eval.logged_progress import LoggedProgress
from dora.eval.paper_numbers import PaperRow, closest_row, paper_row
from dora.eval.records import Result, compare_lines, make_record, write_record
from dora.progress import progress_bars
from dora.train.distributed import choose_device, process_group, rank

NO_CACHE = "none"


@dataclass(frozen=True, kw_only=True)
class Session:
    """What a command's evaluation needs, and what becomes of its result."""

    evaluated: Evaluated
    computing: Computing
    beside: PaperRow
    speaks: bool
    """Whether this process is the one that prints and writes."""
    meter: Meter

    def report(
        self,
        result: Result,
        *,
        out: Path | None,
        table: Table | None = None,
        features: Sequence[FeatureFacts] = (),
    ) -> None:
        """Print a table and the numbers beside the paper's, notes on stderr; write a record.

        Args:
            result: what was measured.
            out: the record's file; None: no record.
            table: what else to show.
            features: of which it is told where they are kept.

        Raises:
            DoraError: the record cannot be written.
        """
        record = make_record(
            result, evaluated=self.evaluated, cost=self.meter.cost(), beside=self.beside
        )
        if self.computing.progress is not None:
            self.computing.progress.stop()  # while bars move, they own stdout too
        if not self.speaks:
            return
        if table is not None:
            Console().print(table)
        for facts in features:
            if facts.kept_in is not None:
                print(facts.told(), file=sys.stderr)
        for line in compare_lines(result, self.beside):
            print(line)
        for note in record["notes"]:
            print(f"note: {note}", file=sys.stderr)
        if out is not None:
            write_record(out, record)
            print(out)


@contextmanager
def evaluation(
    weights: str,
    *,
    heads: int | None = None,
    device: str = "auto",
    precision: Precision = "float32",
    batch: int = 128,
    workers: int = 2,
    cache: str = NO_CACHE,
    beside: str | None = None,
) -> Iterator[Session]:
    """Yield what an evaluation needs; the processes of torchrun are joined for the time.

    Args:
        weights: see `open_network`.
        heads: attention heads, for a file that does not tell.
        device: auto, cpu, cuda or cuda:N.
        precision: of the frozen network.
        batch: pictures of one forward pass.
        workers: threads that read pictures.
        cache: folder where features are kept, or `none`.
        beside: name of the paper's row to compare with; None: the closest.

    Raises:
        DoraError: as `open_network` and `choose_device`, an option out of its range, no such row.
    """
    named = None if beside is None else paper_row(beside)
    evaluated = open_network(weights, heads=heads)
    with joined(
        device=device, precision=precision, batch=batch, workers=workers, cache=cache
    ) as computing:
        yield Session(
            evaluated=evaluated.to(computing.device),
            computing=computing,
            beside=named or closest_row(evaluated),
            speaks=rank() == 0,
            meter=Meter(computing),
        )


@contextmanager
def joined(
    *, device: str, precision: Precision, batch: int, workers: int, cache: str
) -> Iterator[Computing]:
    """Yield where and how to compute, the processes of torchrun joined; the first shows progress.

    Raises:
        DoraError: as `evaluation`.
    """
    where = choose_device(device)
    with process_group(where) as place:
        speaks = place.rank == 0
        bars = progress_bars() if sys.stderr.isatty() else LoggedProgress()
        with bars if speaks else nullcontext():
            yield Computing(
                device=where,
                precision=precision,
                batch=batch,
                workers=workers,
                cache=None if cache == NO_CACHE else Path(cache),
                progress=bars if speaks else None,
            )

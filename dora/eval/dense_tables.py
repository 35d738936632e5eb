"""Scores of object discovery and of followed objects as tables for people."""

from rich.table import Table

from dora.eval.davis import DavisResult
from dora.eval.discovery import DiscoveryResult
from dora.eval.region_scores import OverTime


def discovery_table(result: DiscoveryResult) -> Table:
    """Return a row a variant, in per cent; the first of each measure is the paper's."""
    table = Table(title=f"Object discovery on {result.data}")
    for name in ("measure", "split", "from", "mass"):
        table.add_column(name)
    table.add_column("over pictures, %", justify="right")
    table.add_column("over pixels, %", justify="right")
    for mask in result.jaccard:
        pixels = "" if mask.over_pixels is None else f"{100 * mask.over_pixels:.1f}"
        row = ("Jaccard", result.jaccard_split, mask.map, f"{mask.mass:g}")
        table.add_row(*row, f"{100 * mask.over_pictures:.1f}", pixels)
    for box in result.corloc:
        mass = "" if box.mass is None else f"{box.mass:g}"
        row = ("CorLoc", result.corloc_split, box.boxes, mass)
        table.add_row(*row, f"{100 * box.share:.1f}", "")
    return table


def davis_table(result: DavisResult) -> Table:
    """Return a row an object and one for all, in per cent."""
    table = Table(title=f"DAVIS 2017, {result.split}, {result.data}")
    table.add_column("sequence")
    for measure in ("J", "F"):
        for name in ("mean", "recall", "decay"):
            table.add_column(f"{measure} {name}", justify="right")
    for one in result.objects:
        table.add_row(f"{one.sequence}, {one.number}", *_cells(one.j), *_cells(one.f))
    table.add_section()
    table.add_row("mean over objects", *_cells(result.j), *_cells(result.f))
    return table


def _cells(measure: OverTime) -> tuple[str, ...]:
    return tuple(f"{100 * v:.1f}" for v in (measure.mean, measure.recall, measure.decay))

"""The table of a suite, for people: HTML with the paper's numbers in grey, and Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from dora.eval.paper_numbers import paper_rows, paper_tables
from dora.eval.suite import Measurement
from dora.eval.suite_data import SuiteData
from dora.eval.suite_parts import AS_PUBLISHED, SuitePart
from dora.whole_file import whole_file

HTML = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Evaluations beside the paper</title>
<style>
body { font: 16px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; min-width: 11rem; }
thead th { border-bottom: 2px solid #555; vertical-align: bottom; }
thead small, .paper, .paper td, .paper th { color: #6b6b6b; font-weight: normal; }
.paper { font-size: .85em; }
tbody.measured th { font-weight: 600; }
.failed { color: #a02020; }
li { margin: .2rem 0; }
.wide { overflow-x: auto; }
</style>
<h1>Evaluations beside the paper</h1>
<p>Per cent. Beside each measured number, in grey, the paper's for the closest row; below, the
paper's rows.</p>
<div class="wide"><table>
<thead><tr><th>network</th>
{%- for column in columns %}<th>{{ column }}<br><small>{{ said[column] }}</small></th>
{%- endfor %}</tr></thead>
<tbody class="measured">
{%- for row in rows %}
<tr><th>{{ row.label }}<br><span class="paper">beside {{ row.beside }}</span></th>
{%- for cell in row.cells %}
<td>{% if cell.measured is not none %}{{ "%.1f"|format(cell.measured) }}
{%- elif cell.failed %}<span class="failed">failed</span>
{%- elif cell.left_out %}left out{% else %}&ndash;{% endif %}
<br><span class="paper">
{%- if cell.paper is not none %}{{ "%.1f"|format(cell.paper) }}{% else %}&nbsp;{% endif -%}
</span></td>
{%- endfor %}</tr>
{%- endfor %}
</tbody>
<tbody class="paper">
<tr><th colspan="{{ columns|length + 1 }}"><i>the paper, ViT-S/16</i></th></tr>
{%- for name, numbers in paper %}
<tr><th>{{ name }}</th>
{%- for column in columns %}
<td>{% if column in numbers %}{{ "%.1f"|format(numbers[column]) }}{% else %}&ndash;{% endif %}</td>
{%- endfor %}</tr>
{%- endfor %}
</tbody>
</table></div>
{%- for title, sentences in remarks if sentences %}
<h2>{{ title }}</h2>
<ul>{% for sentence in sentences %}<li>{{ sentence }}</li>{% endfor %}</ul>
{%- endfor %}
</html>
"""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number of one network."""

    measured: float | None
    paper: float | None
    failed: bool
    left_out: bool
    """Not begun: it would have taken too long."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network."""

    label: str
    beside: str
    """Name of the paper's row."""
    cells: tuple[Cell, ...]


def suite_columns(parts: Sequence[SuitePart], data: Mapping[str, Path]) -> list[str]:
    """Return the columns that the data allows, in the order of the parts."""
    return [column for part in parts if part.name in data for column in part.columns]


def captions(parts: Sequence[SuitePart]) -> dict[str, str]:
    """Return what stands below each column's name: the paper's table, and another way than its."""
    return {column: _caption(part, column) for part in parts for column in part.columns}


def _caption(part: SuitePart, column: str) -> str:
    if part.caption is not None:
        return part.caption
    table = paper_tables()[column]
    return table if part.way == AS_PUBLISHED else f"{table}; here {part.way}"


def _titles(parts: Sequence[SuitePart], columns: Sequence[str]) -> list[str]:
    """Return the columns' names, with the way in brackets where it is not the published one."""
    ways = {column: part.way for part in parts for column in part.columns}
    return [
        column if ways[column] == AS_PUBLISHED else f"{column} ({ways[column]})"
        for column in columns
    ]


def suite_rows(
    measurements: Sequence[Measurement], *, columns: Sequence[str], parts: Sequence[SuitePart]
) -> list[Row]:
    """Return a row a network, in their order, with a cell for each column."""
    part_of = {column: part.name for part in parts for column in part.columns}
    labels = list(dict.fromkeys(m.label for m in measurements))
    rows = []
    for label in labels:
        own = {m.part: m for m in measurements if m.label == label}
        besides = [m.record["paper"]["row"] for m in own.values() if m.record is not None]
        beside = besides[0] if besides else None
        numbers = {} if beside is None else paper_rows()[beside].numbers
        rows.append(
            Row(
                label=label,
                beside=beside or "nothing",
                cells=tuple(
                    _cell(own.get(part_of[column]), column=column, paper=numbers.get(column))
                    for column in columns
                ),
            )
        )
    return rows


def _cell(measurement: Measurement | None, *, column: str, paper: float | None) -> Cell:
    record = None if measurement is None else measurement.record
    return Cell(
        measured=None if record is None else record["measured"].get(column),
        paper=paper,
        failed=measurement is not None and measurement.fault is not None,
        left_out=measurement is not None and measurement.left_out is not None,
    )


def remarks(measurements: Sequence[Measurement]) -> list[tuple[str, list[str]]]:
    """Return what is to be said of each measurement: data, notes, cost, or why it failed."""
    said = []
    for m in measurements:
        if m.record is None:
            sentence = f"failed: {m.fault}" if m.left_out is None else f"left out: {m.left_out}"
            said.append((f"{m.label}: {m.part}", [sentence]))
            continue
        cost, network = m.record["cost"], m.record["network"]
        sentences = [
            f"data: {m.record.get('data', 'unknown')}",
            *m.record["notes"],
            f"{cost['seconds']:.0f} s on {cost['device']} in {cost['precision']}, "
            f"{cost['processes']} process(es), at most {cost['peak_memory_mib']} MiB",
            f"weights {network['sha256'][:16]}…, feature {network['feature']}, position "
            f"embedding by {network['positions']}",
        ]
        if m.record["paper"]["remark"]:
            sentences.append(f"of the paper's row: {m.record['paper']['remark']}")
        if m.reused:
            sentences.append("measured in an earlier run of the suite")
        said.append((f"{m.label}: {m.part}", sentences))
    return said


def write_suite_page(
    folder: Path,
    measurements: Sequence[Measurement],
    *,
    parts: Sequence[SuitePart],
    data: SuiteData,
) -> tuple[Path, Path]:
    """Write `index.html` and `table.md`; return their paths.

    Both say what was left out, and why.

    Raises:
        DoraError: they cannot be written.
    """
    columns = suite_columns(parts, data.folders)
    rows = suite_rows(measurements, columns=columns, parts=parts)
    paper = [
        (name, row.numbers)
        for name, row in paper_rows().items()
        if any(column in row.numbers for column in columns)
    ]
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(HTML)
    html = page.render(
        columns=columns,
        said=captions(parts),
        rows=rows,
        paper=paper,
        remarks=[*remarks(measurements), ("Left out", data.left_out)],
    )
    table = suite_markdown(rows, columns=_titles(parts, columns))
    texts = {"index.html": html, "table.md": table + _left_out_markdown(measurements, data)}
    for name, text in texts.items():
        with whole_file(folder / name) as partial:
            partial.write_text(text.rstrip() + "\n", encoding="utf-8")
    return folder / "index.html", folder / "table.md"


def suite_markdown(rows: Sequence[Row], *, columns: Sequence[str]) -> str:
    """Return the table as Markdown, the paper's numbers in brackets."""
    lines = [
        "Per cent; in brackets the paper's number for the closest row.",
        "",
        "| " + " | ".join(["network", *columns, "closest row"]) + " |",
        "| --- |" + " ---: |" * len(columns) + " --- |",
    ]
    for row in rows:
        cells = [_markdown_cell(cell) for cell in row.cells]
        words = [row.label, *cells, row.beside]
        lines.append("| " + " | ".join(word.replace("|", "\\|") for word in words) + " |")
    return "\n".join(lines) + "\n"


def _markdown_cell(cell: Cell) -> str:
    missing = "failed" if cell.failed else "left out" if cell.left_out else "–"
    own = missing if cell.measured is None else f"{cell.measured:.1f}"
    return own if cell.paper is None else f"{own} ({cell.paper:.1f})"


def not_begun(measurements: Sequence[Measurement]) -> list[str]:
    """Return a sentence on each measurement that would have taken too long."""
    return [f"{m.label}: {m.part}: {m.left_out}" for m in measurements if m.left_out is not None]


def _left_out_markdown(measurements: Sequence[Measurement], data: SuiteData) -> str:
    """Return a list of what was left out, and why; nothing where there is none."""
    sentences = [*not_begun(measurements), *data.left_out]
    return "".join(["\nLeft out:\n\n", *(f"- {s}\n" for s in sentences)] if sentences else [])

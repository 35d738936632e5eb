"""Files of a report: each under its final name only when it is whole."""

from pathlib import Path

import pandas as pd

from analysis.figures.style import encode
from analysis.gallery import Exhibit
from analysis.page import PageFigure
from analysis.tables import to_csv, to_parquet
from analysis.whole_file import write_whole


class ReportFolder:
    """The folder of a report; remembers what was written into it.

    Args:
        path: made when the first file is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tables: list[Path] = []
        self.figures: list[Path] = []

    @property
    def files(self) -> list[str]:
        """All tables and figures, relative to the folder."""
        return [each.relative_to(self.path).as_posix() for each in (*self.tables, *self.figures)]

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a table as Parquet and as CSV.

        Raises:
            WtoursError: as of `write_whole`.
        """
        for ending, encoded in (("parquet", to_parquet), ("csv", to_csv)):
            path = self.path / "tables" / f"{name}.{ending}"
            self.tables.append(write_whole(path, encoded(table)))

    def write_exhibit(self, exhibit: Exhibit) -> PageFigure:
        """Write a figure in all its endings, and return it as the page shows it.

        Raises:
            WtoursError: as of `write_whole`.
        """
        content = {ending: encode(exhibit.figure, ending) for ending in exhibit.endings}
        for ending, encoded in content.items():
            path = self.path / "figures" / f"{exhibit.name}.{ending}"
            self.figures.append(write_whole(path, encoded))
        return PageFigure(
            kind=exhibit.kind,
            name=exhibit.name,
            alternative=exhibit.alternative,
            svg=content["svg"],
        )

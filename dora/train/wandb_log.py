"""A run as Weights & Biases keeps it, for those who ask for it; imported only then."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from dora.errors import DoraError
from dora.whole_file import whole_file

_ID_FILE = "wandb_id"


class WandbLog:
    """One run of a project; a run that goes on in its folder goes on there too.

    Args:
        project: its name.
        folder: the run's folder, which names it.
        config: the tree of options.

    Raises:
        DoraError: the package is missing, or it cannot begin, or the folder cannot be written.
    """

    def __init__(self, project: str, *, folder: Path, config: Mapping[str, Any]) -> None:
        try:
            import wandb  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise DoraError(
                f"log.wandb is {project!r}, but Weights & Biases is not installed",
                remedy="pip install 'wtours[wandb]', or leave log.wandb out",
            ) from None
        self._wandb: Any = wandb
        known = folder / _ID_FILE
        try:
            self._run = wandb.init(
                project=project,
                name=folder.resolve().name,
                id=known.read_text(encoding="utf-8").strip() if known.is_file() else None,
                resume="allow",
                dir=str(folder),
                config=dict(config),
            )
        except wandb.Error as fault:
            raise DoraError(
                f"Weights & Biases does not take the run ({str(fault).strip().splitlines()[0]})",
                remedy="see `wandb login`, or leave log.wandb out",
            ) from fault
        with whole_file(known) as partial:
            partial.write_text(self._run.id + "\n", encoding="utf-8")

    def add(
        self,
        step: int,
        figures: Mapping[str, float],
        pictures: Mapping[str, Image.Image] | None = None,
    ) -> None:
        """Tell what is known of a step; a look before a step shares its number."""
        shown = {name: self._wandb.Image(picture) for name, picture in (pictures or {}).items()}
        self._run.log({**figures, **shown}, step=step)

    def close(self) -> None:
        """Wait until all is told."""
        self._run.finish()

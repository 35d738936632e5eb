"""What is known of how weights came to be: of their run's checkpoint, and the log beside it."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from dora.config import RunConfig
from dora.config_text import config_from_json, differences
from dora.model.safe_load import read_file
from dora.presets import PRESETS
from dora.runs.files import LOG_FILE, LOOKS_FILE
from dora.runs.log_lines import whole_lines
from dora.train.checkpoint import FORMAT

LAST_STEPS = 100
"""Over which figures are averaged."""
FIGURES = ("loss", "teacher_entropy", "teacher_kl_to_uniform", "feature_std", "grad_norm")
"""Those that a card shows, and with them every score, such as knn/20."""
SCORES = "knn/"
"""With which the name of every score begins."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """How weights were trained, as far as their files tell."""

    config: RunConfig | None
    """Of our own runs."""
    step: int | None
    """Steps done."""
    epoch: float | None
    """Epochs done."""
    data: str | None
    """Digest of the clips that the run was trained on."""
    torch: str | None
    """Version that wrote the checkpoint."""
    figures: dict[str, float]
    """Means over the last steps of the log beside it, and last scores; empty without a log."""

    @property
    def changed(self) -> list[str]:
        """Return phrases for the options that differ from those of the preset, as it is now."""
        if self.config is None:
            return []
        preset = PRESETS.get(self.config.preset.partition("+")[0])
        if preset is None:
            return []
        phrases = differences(self.config, preset())
        return [phrase for phrase in phrases if not phrase.startswith("preset ")]


def read_record(path: Path) -> RunRecord:
    """Return what a file of weights and the log beside it tell.

    Raises:
        DoraError: the file cannot be read, or the log is damaged.
    """
    content = read_file(path)
    if content.get("format") != FORMAT:
        epoch = content.get("epoch")
        return RunRecord(
            config=None,
            step=None,
            epoch=epoch if isinstance(epoch, int) else None,
            data=None,
            torch=None,
            figures={},
        )
    step = int(content["step"])
    lines = _log_before(step, beside=path)
    # A look after the checkpoint's step has its number.
    looks = _log_before(step + 1, beside=path, name=LOOKS_FILE)
    config = config_from_json(content["config"], source=str(path))
    return RunRecord(
        config=config,
        step=step,
        epoch=_epoch(lines, config=config, step=step),
        data=content["data"],
        torch=content["torch"],
        figures=_figures(lines, looks),
    )


def _epoch(lines: list[dict[str, Any]], *, config: RunConfig, step: int) -> float | None:
    """Return the epochs that are over after a step: the log counts those before it."""
    if lines and lines[-1].get("epoch") and lines[-1]["step"]:
        return float(lines[-1]["epoch"] / lines[-1]["step"] * step)
    data = config.data
    if data.clips_per_epoch == "all":
        return None
    return step / (data.clips_per_epoch // data.batch_clips)


def _log_before(step: int, *, beside: Path, name: str = LOG_FILE) -> list[dict[str, Any]]:
    """Return the lines of a log that belong to steps before a checkpoint's."""
    path = beside.with_name(name)
    remedy = f"remove the line, or move {path.name} away; the weights need neither"
    return [line for _, line in whole_lines(path, remedy=remedy) if line["step"] < step]


def _figures(lines: list[dict[str, Any]], looks: list[dict[str, Any]]) -> dict[str, float]:
    found = {}
    for name in FIGURES:
        values = [line[name] for line in lines[-LAST_STEPS:] if line.get(name) is not None]
        if values:
            found[name] = fmean(values)
    for line in (*lines, *looks):
        for name, value in line.items():
            if name.startswith(SCORES) and value is not None:
                found[name] = value
    return found

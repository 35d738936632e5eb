"""The model card beside exported weights: what they are, how to load them, how they came to be."""

from collections.abc import Iterator
from pathlib import Path

from dora.export.forms import Exported, Form
from dora.export.record import LAST_STEPS, RunRecord
from dora.whole_file import whole_file

HEAD = """\
---
library_name: {library}
{licence}tags: [image-feature-extraction, dora]
---

# {name}

A ViT of {depth} blocks, width {width}, {heads} heads and patches of {patch_px} px, pretrained
{method}, for images of {image_px} px.

From: {source}.
"""
METHODS = {
    "dora": "with DoRA (Venkataramanan et al., ICLR 2024, arXiv:2310.08584)",
    "dino": "with DINO (Caron et al., ICCV 2021, arXiv:2104.14294) on frames of video",
    None: "by a method that its file does not tell",
}
LICENCE = "license: apache-2.0\n"
"""Of weights from runs of ours; that of other files nobody here knows."""

LOADING: dict[Form, str] = {
    "timm": """\
```python
from functools import partial

import timm
import torch
from safetensors.torch import load_file

model = timm.models.vision_transformer.VisionTransformer(
    img_size={image_px}, patch_size={patch_px}, embed_dim={width}, depth={depth},
    num_heads={heads}, num_classes=0, global_pool="token",
    norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
)
model.load_state_dict(load_file("{name}"))
```

At {image_px} px the features are those of `dora`. At other sizes timm resizes the position
embedding by a rule of its own, which gives other features: export the weights again with
`--image-px`, which resizes by DINO's rule.
""",
    "released": """\
In the layout of the authors' checkpoints: `student` and `teacher` with backbone and head, `epoch`,
`args`. It lacks the state of the optimiser, so that training does not go on from it.

```python
import torch

teacher = torch.load("{name}", weights_only=False)["teacher"]
backbone = {{k.removeprefix("backbone."): v for k, v in teacher.items() if k[:9] == "backbone."}}
```
""",
    "torchscript": """\
```python
import torch

model = torch.jit.load("{name}")
```

For images of {image_px} x {image_px} px, any number of them; others are refused.
""",
    "torch-export": """\
```python
import torch

model = torch.export.load("{name}").module()
```

For images of {image_px} x {image_px} px, any number of them; others are refused. torch promises to
read such files in the version that wrote them.
""",
}

RESULT = """\
`model(images)` is [CLS] after the final LayerNorm, (images, {width}), for images normalised by
ImageNet's mean and deviation. Read back, it differs from `dora` by at most {difference:.1g}.
"""


def write_card(exported: Exported, *, source: str, record: RunRecord) -> Path:
    """Write the card of an exported file beside it; return its path.

    Args:
        exported: the file.
        source: what it was made from, for people.
        record: of its run.
    """
    model = exported.model
    words = {
        "name": exported.path.name,
        "library": "timm" if exported.form == "timm" else "pytorch",
        "licence": "" if record.config is None else LICENCE,
        "method": METHODS[None if record.config is None else record.config.method],
        "depth": model.depth,
        "width": model.width,
        "heads": model.heads,
        "patch_px": model.patch_px,
        "image_px": model.image_px,
        "source": source,
        "difference": exported.difference,
    }
    parts = [HEAD, LOADING[exported.form], *([] if exported.form == "released" else [RESULT])]
    text = "\n".join(part.format(**words) for part in parts)
    if model.last_heads not in (None, model.heads):
        text += f"\nThe last block has {model.last_heads} heads.\n"
    text += "".join(f"{line}\n" for line in _record_lines(record))
    card = exported.path.with_suffix(".md")
    with whole_file(card) as partial:
        partial.write_text(text, encoding="utf-8")
    return card


def _record_lines(record: RunRecord) -> Iterator[str]:
    """Yield a section with what is known of the run, nothing if that is nothing."""
    if record.config is None:
        if record.epoch is not None:
            yield from ("", "## Training", "", f"{record.epoch} epochs, by its checkpoint.")
        return
    config = record.config
    epochs = "" if record.epoch is None else f", {record.epoch:.4g} of {config.epochs} epochs"
    clips = (record.step or 0) * config.data.batch_clips
    yield from ("", "## Training", "")
    yield f"- Preset `{config.preset}`, seed {config.seed}."
    frames = "one frame" if config.clip.frames == 1 else f"{config.clip.frames} frames"
    yield f"- {record.step:,} steps{epochs}: {clips:,} clips of {frames}."
    yield f"- SHA-256 of the data's index: `{record.data}`."
    yield f"- Written by torch {record.torch}."
    if record.changed:
        yield from ("", "Options that differ from the preset:", "")
        yield from (f"- {phrase}" for phrase in record.changed)
    if record.figures:
        yield from ("", "| figure | value |", "| --- | --- |")
        yield from (f"| {name} | {value:.4g} |" for name, value in record.figures.items())
        yield from ("", f"Scores are the last ones; the rest are means over the last {LAST_STEPS}")
        yield "steps."

"""The model card beside exported weights: what they are, and how to load them."""

from pathlib import Path

from dora.config import ModelConfig
from dora.whole_file import whole_file

CARD = """\
---
library_name: timm
license: apache-2.0
tags: [image-feature-extraction, dora]
---

# {name}

A ViT of {depth} blocks, width {width}, {heads} heads and patches of {patch_px} px, pretrained
with DoRA (Venkataramanan et al., ICLR 2024, arXiv:2310.08584) on views of {image_px} px.

From: {source}.

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

`model(images)` is [CLS] after the final LayerNorm, for images normalised by ImageNet's mean and
deviation.

At {image_px} px the features are those of `dora`. At other sizes timm resizes the position
embedding to the output size, and DoRA (as DINO) by the scale factor (patches + 0.1) / side, which
gives other features: resize it with
`dora.model.vit.resize_position_embedding(model.pos_embed, grid)` before loading it into a model of
that size.
{last}
"""


def write_card(exported: Path, *, model: ModelConfig, source: str) -> Path:
    """Write the card of an exported file beside it; return its path.

    Args:
        exported: the safetensors file.
        model: its sizes.
        source: what it was made from, for people.
    """
    last = ""
    if model.last_heads is not None and model.last_heads != model.heads:
        last = (
            f"\nThe last block has {model.last_heads} heads: set `model.blocks[-1].attn.num_heads` "
            "(and `head_dim`, `scale`) after building it.\n"
        )
    text = CARD.format(
        name=exported.name,
        depth=model.depth,
        width=model.width,
        heads=model.heads,
        patch_px=model.patch_px,
        image_px=model.image_px,
        source=source,
        last=last,
    )
    card = exported.with_suffix(".md")
    with whole_file(card) as partial:
        partial.write_text(text, encoding="utf-8")
    return card

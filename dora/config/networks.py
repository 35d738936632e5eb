"""The network of student and teacher."""

from dataclasses import dataclass

from dora.config.checks import require, require_at_least, require_share


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The ViT of student and teacher."""

    width: int = 384
    """Embedding width (D); 384 is ViT-S."""
    depth: int = 12
    heads: int = 6
    """Attention heads of every block (H)."""
    last_heads: int | None = None
    """Heads of the last block alone, for k above h (paper, B.2); None: as the others."""
    patch_px: int = 16
    image_px: int = 224
    """Side for which the position embedding is native."""
    drop_path: float = 0.1
    """Stochastic depth of the student, linear over the blocks."""

    def __post_init__(self) -> None:
        for name in ("width", "depth", "heads", "last_heads", "patch_px", "image_px"):
            size = getattr(self, name)
            require_at_least(1, **{f"model__{name}": 1 if size is None else size})
        require_share("model.drop_path", self.drop_path)
        for heads in (self.heads, self.last_heads or self.heads):
            require(
                self.width % heads == 0,
                f"model.width {self.width} cannot be split over {heads} heads",
                "choose a number of heads that divides the width",
            )
        require(
            self.image_px % self.patch_px == 0,
            f"model.image_px {self.image_px} is not a multiple of patches of {self.patch_px} px",
            "choose a multiple",
        )


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Projection head: an MLP, an L2 norm, and a weight-normalised linear layer."""

    outputs: int = 65536
    """Width of the output (P)."""
    layers: int = 3
    hidden: int = 2048
    bottleneck: int = 256
    batch_norm: bool = False
    norm_last_layer: bool = False
    """Keep the last layer's magnitudes fixed at 1 (trainable in the released commands)."""

    def __post_init__(self) -> None:
        for name in ("outputs", "layers", "hidden", "bottleneck"):
            require_at_least(1, **{f"head__{name}": getattr(self, name)})

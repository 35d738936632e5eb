"""The tracker and Sinkhorn-Knopp as plain loops over clips, frames and objects, in float64."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def sinkhorn(logits_NK: np.ndarray, epsilon: float, iterations: int) -> np.ndarray:
    """One clip, by scaling rows and columns of the exponentials; (N, K), patches sum to 1."""
    plan = np.exp((logits_NK - logits_NK.max()) / epsilon)
    patches, prototypes = plan.shape
    for _ in range(iterations):
        plan = plan / plan.sum(axis=0, keepdims=True) / prototypes
        plan = plan / plan.sum(axis=1, keepdims=True) / patches
    return plan * patches


def soft_masks(
    attention_BHN: np.ndarray,
    queries_BND: np.ndarray,
    patches_BND: np.ndarray,
    keys_BTND: np.ndarray,
    heads_BK: np.ndarray,
    *,
    epsilon: float,
    iterations: int,
    normalised: bool,
    mass_one: bool,
    sinkhorn_used: bool,
) -> np.ndarray:
    """Attention of each object over the patches of each frame, (T, K, B, N)."""
    clips, frames, patches, width = keys_BTND.shape
    objects = heads_BK.shape[1]
    soft = np.zeros((frames, objects, clips, patches))
    for clip in range(clips):
        prototypes = np.zeros((objects, width))
        for k in range(objects):
            for n in range(patches):
                weight = attention_BHN[clip, heads_BK[clip, k], n]
                prototypes[k] += weight * queries_BND[clip, n].astype(np.float64)
        tokens = patches_BND[clip].astype(np.float64)
        if normalised:
            tokens = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
        if sinkhorn_used:
            plan = sinkhorn(tokens @ prototypes.T, epsilon, iterations)
            prototypes = plan.T @ tokens / (patches if mass_one else 1)
        for frame in range(frames):
            for k in range(objects):
                logits = keys_BTND[clip, frame] @ prototypes[k] / np.sqrt(width)
                soft[frame, k, clip] = softmax(logits)
    return soft


def binary_masks(soft_TKBN: np.ndarray, *, shared: bool) -> np.ndarray:
    """1 where L2-normalised attention exceeds the mean over all clips, or over its own clip."""
    masks = np.zeros_like(soft_TKBN)
    for frame, k in np.ndindex(*soft_TKBN.shape[:2]):
        unit = soft_TKBN[frame, k] / np.linalg.norm(soft_TKBN[frame, k], axis=1, keepdims=True)
        for clip in range(len(unit)):
            masks[frame, k, clip] = unit[clip] > (unit if shared else unit[clip]).mean()
    return masks

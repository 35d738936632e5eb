"""DoRA: a ViT pretrained by discovering objects in a clip's first frame and tracking them.

Method: Venkataramanan et al., "Is ImageNet worth 1 video?", ICLR 2024 (arXiv:2310.08584).

Shape letters, used in names and docstrings throughout:
    B clips, T frames, V views, N patches, D width, H heads, K object prototypes, P head outputs,
    L local crops, S a side in pixels.
"""

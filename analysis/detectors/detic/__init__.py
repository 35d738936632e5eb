"""Detic (arXiv:2201.02605) in plain torch: detection with any vocabulary, inference only.

It loads the official CenterNet2 checkpoints (Swin-B and ResNet-50) by their own key names; the
names of modules and parameters are therefore upstream's. One picture goes this way, a file a step:

    picture -> backbones -> pyramid -> proposals -> cascade (with classifier) -> selection (masks)
"""

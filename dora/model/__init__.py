"""The ViT, its projection head, and the pair of student and teacher."""

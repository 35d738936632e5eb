"""Pretraining methods: views and outputs in, loss out."""

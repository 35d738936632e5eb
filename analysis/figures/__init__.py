"""Figures: numbers in, figure out; nothing is computed here."""

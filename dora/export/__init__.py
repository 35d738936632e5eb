"""A backbone for other programs: files of several forms, each read back, and a card."""

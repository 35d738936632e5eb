"""Discovery of objects in a clip's first frame, and their tracks."""

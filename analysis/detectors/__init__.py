"""Object detectors behind one small interface (`detector.py`), for the object statistics."""

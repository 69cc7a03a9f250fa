"""Pixels on disk: open, read, write. Knows nothing of networks."""

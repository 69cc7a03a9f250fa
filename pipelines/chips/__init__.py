"""Scenes with labels to chips on disk: which windows, how they are written, the manifest, the training config."""

"""Fits a model to other ground without labels, and keeps the model where that does not help."""

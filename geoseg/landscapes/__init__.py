"""Procedural scenes with exact labels."""

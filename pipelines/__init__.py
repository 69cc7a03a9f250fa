"""Batch jobs over many scenes: python -m pipelines.<job>."""

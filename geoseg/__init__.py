"""geoseg turns satellite and aerial scenes into land-cover layers."""

__version__ = "0.1.0"

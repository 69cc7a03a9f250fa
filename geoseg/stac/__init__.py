"""Layers described for catalogues, as STAC items."""

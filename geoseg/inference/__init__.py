"""From a scene to decided pixels, block by block."""

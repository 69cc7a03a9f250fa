"""From a class raster to styled polygons in a GeoPackage. Needs no torch."""

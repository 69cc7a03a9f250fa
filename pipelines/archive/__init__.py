"""Many scenes to many maps: which scenes, where each map goes, what is made already, the report, the collection."""

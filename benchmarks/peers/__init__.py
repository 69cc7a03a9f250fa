"""geoseg beside other libraries: the same scene, network, tiles and overlap, each arm in a process of its own."""

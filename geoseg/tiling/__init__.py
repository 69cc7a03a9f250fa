"""The lattice of tiles and the blending of what the network says about them."""

"""Speed beside an oracle, a peer or the physical limit; executed as tests, timed by `make bench`."""

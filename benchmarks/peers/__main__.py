"""`python -m benchmarks.peers {overhead,networks,memory,seams,decoded}`."""

from benchmarks.peers.commands import main

if __name__ == "__main__":
    main()

"""`python -m geoseg` is the command `geoseg`; torch's launcher starts it so in several processes."""

from geoseg.cli.app import main

if __name__ == "__main__":
    main()

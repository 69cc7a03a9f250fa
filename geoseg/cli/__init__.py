"""The command line: arguments to settings, one call, an exit code."""

"""Exit codes of the commands."""

DONE = 0
"""All went well."""
SOME_FAILED = 1
"""Some rows were not sent, or a check failed."""
IMPOSSIBLE = 2
"""The command could not be run."""
INTERRUPTED = 130
"""The user pressed Ctrl-C."""

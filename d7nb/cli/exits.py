"""What the exit codes of commands mean."""

DONE = 0
"""All went well."""
SOME_LEFT = 1
"""Some rows did not go."""
IMPOSSIBLE = 2
"""It could not be done."""
INTERRUPTED = 130
"""Somebody pressed Ctrl-C."""

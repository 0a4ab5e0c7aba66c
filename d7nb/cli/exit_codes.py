"""What the exit codes of commands mean."""

DONE = 0
"""All went well."""
SOME_LEFT = 1
"""Some rows did not go, or something that was looked at is not as it should be."""
IMPOSSIBLE = 2
"""It could not be done."""
INTERRUPTED = 130
"""Somebody pressed Ctrl-C."""

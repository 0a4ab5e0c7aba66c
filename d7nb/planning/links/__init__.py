"""Checks of the files that messages link to."""

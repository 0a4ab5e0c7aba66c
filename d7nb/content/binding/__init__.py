"""Filling fields from the columns of a table."""

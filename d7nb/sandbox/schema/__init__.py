"""The sandbox's own reading of a request."""

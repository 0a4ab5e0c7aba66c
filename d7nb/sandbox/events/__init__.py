"""The events that the sandbox sends."""

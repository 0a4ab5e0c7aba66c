"""The delivery events of the sandbox: their shapes, the time of each, and how they are posted."""

"""Reading files, and columns of a frame."""

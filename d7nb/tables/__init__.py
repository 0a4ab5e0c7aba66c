"""Reading files into frames, and working with frames and their columns."""

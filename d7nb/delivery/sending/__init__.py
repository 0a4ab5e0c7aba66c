"""The send loop and its parts: build requests, claim their rows, post them and record the outcomes."""

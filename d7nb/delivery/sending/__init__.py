"""The send loop: claim, post, record."""

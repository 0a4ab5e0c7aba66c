"""Tests in a real browser. `README.md` beside this file says how to write one.

A package, and its fixtures live as long as the package does: while Playwright runs, its event loop occupies the main
thread, and tests elsewhere have loops of their own.
"""

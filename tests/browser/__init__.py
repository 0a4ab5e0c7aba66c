"""The notebook face in a real browser. How to write such a test is told in `README.md` beside this file.

A package, and its fixtures live as long as the package does: while Playwright runs, its event loop occupies the main
thread, and tests elsewhere have loops of their own.
"""

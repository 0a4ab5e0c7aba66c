"""The compose form: what a plan needs, asked for in a notebook. Nothing outside this folder imports ipywidgets.

From the bottom up: `guessing` (which column holds the numbers), `model` (the form's state, testable without a browser),
`background` (work that must not block the kernel), `parts` (small pieces of view), `fields` (a content's fields),
`sendbox` (confirm, progress, stop), `form` (the whole).
"""

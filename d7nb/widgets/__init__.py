"""The compose form, which makes and sends a plan from a notebook. Only this folder imports ipywidgets.

From the bottom up: `guess_column` (which column holds the numbers), `model` (the form's state, testable without a
browser), `debounce` (work in the background), `controls` (labelled widgets), `content_fields` (a content's fields),
`send_panel` (test, confirm, progress, stop), `form` (the whole form).
"""

"""Plans, previews and deliveries as HTML and as text, drawn from plain data."""

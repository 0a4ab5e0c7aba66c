"""How plans, previews and deliveries look, as HTML and as text. Takes plain data, knows no plan."""

"""How a field's value comes from the columns of a table."""

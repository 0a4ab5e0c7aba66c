"""How a plan is made of a table and a content."""

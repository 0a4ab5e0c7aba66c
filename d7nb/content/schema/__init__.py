"""How a content type declares its fields."""

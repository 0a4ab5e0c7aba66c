"""The declaration of content types and their fields."""

"""Whether the files that messages name can be fetched."""

"""The pydantic models of a send request, written from D7's pages independently of `d7nb.content`."""

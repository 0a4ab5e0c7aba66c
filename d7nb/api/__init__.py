"""D7's API over HTTP: the client, its session and rate limit, and the reading of what comes back."""

"""From a table and a content to a plan: its options, its stages, its filters and its checks of links."""

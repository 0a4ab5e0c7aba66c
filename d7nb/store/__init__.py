"""The tables behind the ledger, on SQLite and PostgreSQL."""

"""What SQLite's query planner is told of the tables' sizes.

Without it, SQLite takes a campaign for ten rows: it then looks for a person by reading the whole campaign, once for
each person. Figures of its own, by ANALYZE, would depend on when they were made; these are those of a large ledger, for
which a wrong choice costs most, and so every ledger is asked in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from d7nb.store.schema import messages, requests, rows, statuses

if TYPE_CHECKING:
    from sqlalchemy import Connection

_FIGURES = {
    # Of each index: all its entries, then how many of them share the first column, the first two, and so on.
    (rows.name, rows.name): "10000000 500000 1",
    (rows.name, "d7nb_ledger_rows_of_person"): "10000000 500000 2 1",
    (rows.name, "d7nb_ledger_rows_of_request"): "10000000 100 100 1",
    (rows.name, "d7nb_ledger_rows_sent_again"): "10000 100 100 1",
    (requests.name, "d7nb_ledger_requests_of_campaign"): "100000 5000 1",
    (requests.name, "d7nb_ledger_requests_by_id"): "100000 2",
    (requests.name, "d7nb_ledger_requests_by_time"): "100000 2",
    (requests.name, "d7nb_ledger_requests_without_outcome"): "100 10",
    (messages.name, messages.name): "10000000 100 1",
    (statuses.name, statuses.name): "30000000 300 3 1",
}


def tell_planner(connection: Connection) -> None:
    """Write the tables' sizes to where SQLite keeps what it knows of them; PostgreSQL counts by itself.

    Args:
        connection: In the transaction that made the tables.
    """
    if connection.dialect.name != "sqlite":
        return
    connection.execute(text("ANALYZE sqlite_master"))  # makes the table for the figures
    connection.execute(text("DELETE FROM sqlite_stat1"))
    figures = [{"table": table, "index": index, "figures": told} for (table, index), told in _FIGURES.items()]
    connection.execute(text("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (:table, :index, :figures)"), figures)
    connection.execute(text("ANALYZE sqlite_master"))  # reads them

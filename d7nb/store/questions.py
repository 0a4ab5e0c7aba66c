"""A list of values as a table that the database can join: it then reads as many rows as are asked for, and no more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Integer, LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Subquery

_HASHES = {
    # One blob, cut into hashes of 16 bytes, in place of a parameter for each: SQLite takes no more than 32,766.
    "sqlite": """
        WITH RECURSIVE numbers(number) AS (
            SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < length(:hashes) / 16
        )
        SELECT number AS position, substr(:hashes, number * 16 + 1, 16) AS value FROM numbers
    """,
    "postgresql": """
        SELECT ordinality - 1 AS position, value FROM unnest(:hashes) WITH ORDINALITY AS asked(value, ordinality)
    """,
}
_ROWS = {
    # A hash and sixteen digits for each row.
    "sqlite": """
        WITH RECURSIVE numbers(number) AS (
            SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < length(:rows) / 32
        )
        SELECT number AS position, substr(:rows, number * 32 + 1, 16) AS key,
            CAST(CAST(substr(:rows, number * 32 + 17, 16) AS TEXT) AS INTEGER) AS request
        FROM numbers
    """,
    "postgresql": """
        SELECT ordinality - 1 AS position, key, request
        FROM unnest(:keys, :requests) WITH ORDINALITY AS asked(key, request, ordinality)
    """,
}
_NUMBERS = {
    "sqlite": "SELECT key AS position, value FROM json_each(:numbers)",
    "postgresql": """
        SELECT ordinality - 1 AS position, value FROM unnest(:numbers) WITH ORDINALITY AS asked(value, ordinality)
    """,
}


def hashes_table(connection: Connection, hashes: Sequence[bytes]) -> Subquery:
    """Return a table of hashes, each a ``value`` of 16 bytes with its ``position`` in the list.

    Args:
        connection: To the database that the table is for.
        hashes: At least one.
    """
    dialect = connection.dialect.name
    given: Any = b"".join(hashes) if dialect == "sqlite" else list(hashes)
    of_type = LargeBinary() if dialect == "sqlite" else ARRAY(LargeBinary)
    query = text(_HASHES[dialect]).bindparams(bindparam("hashes", given, of_type))
    return query.columns(position=Integer(), value=LargeBinary()).subquery()


def rows_table(connection: Connection, keys: Sequence[bytes], numbers: Sequence[int]) -> Subquery:
    """Return a table of rows, each a ``key`` and the number of a ``request``, with its ``position`` in the lists.

    Args:
        connection: To the database that the table is for.
        keys: At least one, as the ledger stores them.
        numbers: As many numbers of requests.
    """
    dialect = connection.dialect.name
    if dialect == "sqlite":
        joined = b"".join(b"%b%016d" % row for row in zip(keys, numbers, strict=True))
        query = text(_ROWS[dialect]).bindparams(bindparam("rows", joined, LargeBinary()))
    else:
        of_keys: Any = bindparam("keys", list(keys), ARRAY(LargeBinary))
        of_numbers: Any = bindparam("requests", list(numbers), ARRAY(BigInteger))
        query = text(_ROWS[dialect]).bindparams(of_keys, of_numbers)
    return query.columns(position=Integer(), key=LargeBinary(), request=BigInteger()).subquery()


def numbers_table(connection: Connection, numbers: Sequence[int]) -> Subquery:
    """Return a table of numbers, such as those of requests, each a ``value`` with its ``position`` in the list."""
    dialect = connection.dialect.name
    given: Any = json.dumps(list(numbers)) if dialect == "sqlite" else list(numbers)
    parameter = bindparam("numbers", given) if dialect == "sqlite" else bindparam("numbers", given, ARRAY(BigInteger))
    query = text(_NUMBERS[dialect]).bindparams(parameter)
    return query.columns(position=Integer(), value=BigInteger()).subquery()

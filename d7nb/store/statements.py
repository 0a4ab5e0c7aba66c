"""Statements that are compiled once and run with every request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ClauseElement, Connection, CursorResult, Engine
    from sqlalchemy.sql.compiler import SQLCompiler


def prepare(engine: Engine, statement: ClauseElement) -> Callable[..., CursorResult[Any]]:
    """Compile a statement that runs with every request: SQLAlchemy's own cache costs as much as SQLite's work.

    Args:
        engine: The database's.
        statement: A statement with named parameters.

    Returns:
        A function of a connection and the parameters by name, or a list of tuples of them, in the statement's order.
    """
    compiled = cast("SQLCompiler", statement.compile(dialect=engine.dialect))
    text, names = str(compiled), compiled.positiontup or ()

    def run(connection: Connection, values: Mapping[str, Any] | list[tuple[Any, ...]]) -> CursorResult[Any]:
        ready = values if isinstance(values, list) else tuple(values[name] for name in names)
        return connection.exec_driver_sql(text, ready)

    return run

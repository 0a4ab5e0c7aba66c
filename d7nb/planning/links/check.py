"""Asks once for each file that a plan's messages name, before a whole mailing fails on a dead link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from d7nb.api.client import Client
from d7nb.content.rules import URL
from d7nb.display.progress import Progress
from d7nb.errors import PlanError
from d7nb.planning.links.limits import FileResponse, faults_of_answer, faults_of_file
from d7nb.planning.links.probe import probe_all
from d7nb.problems import Problem, merge, problem_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    from d7nb.content.rendering import Renderer
    from d7nb.delivery.sending.requests import RequestBuilder

WORKERS = 8
TIMEOUT = (5.0, 15.0)


class Use(NamedTuple):
    """A field of a content that holds addresses of files, with its value in each row.

    Attributes:
        renderer: Fills in the content.
        path: The field's dotted path.
        kind_from: The path of the field that says of what kind the files are; empty where the declaration does.
        rows: Positions of the rows that have this content.
        files: Address and kind for each of them; None for a message without a file.
    """

    renderer: Renderer
    path: str
    kind_from: str
    rows: np.ndarray
    files: list[tuple[str, str] | None]


def check_links(
    builder: RequestBuilder,
    ready: np.ndarray,
    frame: pd.DataFrame,
    client: Client | None,
    *,
    workers: int | None,
    timeout: tuple[float | None, float | None] | float | None,
    progress: bool,
) -> pd.DataFrame:
    """Check every file that the rows link to; the options are those of `Plan.check_links`.

    Args:
        builder: Fills in the contents of the plan's rows.
        ready: Positions of the rows that would go.
        frame: The plan's table.
        client: As there.
        workers: As there.
        timeout: As there.
        progress: As there.

    Returns:
        The problems, laid out as those of the plan.
    """
    given: object = client
    if given is not None and not isinstance(given, Client):
        raise PlanError("check_links() takes a client, such as d7nb.Client(), or None")
    if workers is None:
        workers = client.workers if client else WORKERS
    if workers < 1:
        raise PlanError("workers= must be 1 or more")
    if timeout is None:
        timeout = client.timeout if client else TIMEOUT
    elif not isinstance(timeout, tuple):
        timeout = (timeout, timeout)
    if any(limit is not None and limit <= 0 for limit in timeout):
        raise PlanError("timeout= is a number of seconds above 0, or None for no limit")
    uses = list(_uses(builder, ready))
    urls = dict.fromkeys(file[0] for use in uses for file in use.files if file)
    responses = {url: FileResponse("no_address") for url in urls if URL.fault(url)}
    readable = [url for url in urls if url not in responses]
    with Progress(len(readable), shown=progress and bool(readable), unit="link") as bar:
        responses |= probe_all(
            readable, workers=workers, timeout=timeout, on_progress=lambda count: bar.show(count, "")
        )
    local = client is not None and client.is_local
    problems = [problem for use in uses for problem in _problems(use, responses, local=local)]
    return problem_frame(merge(problems), frame)


def _uses(builder: RequestBuilder, ready: np.ndarray) -> Iterator[Use]:
    for renderer, positions in builder.by_content(ready):
        rows = ready[positions]
        for link in renderer.file_links:
            urls = renderer.values_at(link.at, rows)
            kinds = renderer.values_at(link.kind_at, rows) if link.kind_at else [link.kind] * len(rows)
            files = [_file(url, kind) for url, kind in zip(urls, kinds, strict=True)]
            yield Use(renderer, link.at, link.kind_at, rows, files)


def _file(url: Any, kind: Any) -> tuple[str, str] | None:
    return None if url is None or url == "" else (str(url), str(kind or ""))


def _problems(use: Use, responses: dict[str, FileResponse], *, local: bool) -> Iterator[Problem]:
    """Yield the problems with the files of one field: each fault of a file once, at all rows that link to it."""
    positions_of: dict[tuple[str, str], list[int]] = {}
    for position, file in enumerate(use.files):
        if file:
            positions_of.setdefault(file, []).append(position)
    faults: dict[tuple[str, Problem], dict[int, str]] = {}
    for (url, kind), positions in positions_of.items():
        for path, problem in _faults(use, url, kind, responses[url], local=local):
            messages = faults.setdefault((path, problem._replace(message="", field=use.path)), {})
            messages.update(dict.fromkeys(positions, str(problem.message)))
    for (path, problem), messages in faults.items():
        yield from use.renderer.locate(problem, path, messages, use.rows)


def _faults(use: Use, url: str, kind: str, response: FileResponse, *, local: bool) -> Iterator[tuple[str, Problem]]:
    """Yield each fault of a file and the field to correct: where the address is literal, it may be the kind's field."""
    faults = list(faults_of_answer(url, response, local=local))
    yield from ((use.path, problem) for problem in faults)
    if not response.fault and not any(problem.code != "private_address" for problem in faults):
        turns_on_kind = not use.renderer.is_bound(use.path) and use.renderer.is_bound(use.kind_from)
        path = use.kind_from if turns_on_kind else use.path
        yield from ((path, problem) for problem in faults_of_file(url, kind, response))

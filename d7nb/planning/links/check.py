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
    """A leaf that holds addresses of files, and what stands there row by row.

    Attributes:
        renderer: Fills in the content that the leaf is of.
        path: The leaf's dotted path.
        kind_from: The leaf that decides of what kind the files are; empty where the declaration does.
        rows: Positions of the rows that have this content.
        files: Address and kind for each of them; None for a message that is without.
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
    """Ask for every file; the options are those of `Plan.check_links`.

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
    asked: object = client
    if asked is not None and not isinstance(asked, Client):
        raise PlanError("check_links() takes a client, such as d7nb.Client(), or none")
    if workers is None:
        workers = client.workers if client else WORKERS
    if workers < 1:
        raise PlanError("workers= counts from 1")
    if timeout is None:
        timeout = client.timeout if client else TIMEOUT
    elif not isinstance(timeout, tuple):
        timeout = (timeout, timeout)
    if any(limit is not None and limit <= 0 for limit in timeout):
        raise PlanError("timeout= counts seconds, more than none (None: no limit)")
    uses = list(_uses(builder, ready))
    urls = dict.fromkeys(file[0] for use in uses for file in use.files if file)
    probes = {url: FileResponse("no_address") for url in urls if URL.fault(url)}
    asked_for = [url for url in urls if url not in probes]
    with Progress(len(asked_for), shown=progress and bool(asked_for), unit="link") as bar:
        probes |= probe_all(asked_for, workers=workers, timeout=timeout, told=lambda count: bar.show(count, ""))
    rehearsal = client is not None and client.is_local
    problems = [problem for use in uses for problem in _problems(use, probes, rehearsal=rehearsal)]
    return problem_frame(merge(problems), frame)


def _uses(builder: RequestBuilder, ready: np.ndarray) -> Iterator[Use]:
    for renderer, places in builder.by_content(ready):
        rows = ready[places]
        for link in renderer.file_links:
            urls = renderer.values_at(link.at, rows)
            kinds = renderer.values_at(link.kind_at, rows) if link.kind_at else [link.kind] * len(rows)
            files = [_file(url, kind) for url, kind in zip(urls, kinds, strict=True)]
            yield Use(renderer, link.at, link.kind_at, rows, files)


def _file(url: Any, kind: Any) -> tuple[str, str] | None:
    return None if url is None or url == "" else (str(url), str(kind or ""))


def _problems(use: Use, probes: dict[str, FileResponse], *, rehearsal: bool) -> Iterator[Problem]:
    """What is wrong with the files of one leaf, each fault of a file at all rows that have it."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, file in enumerate(use.files):
        if file:
            places.setdefault(file, []).append(place)
    faults: dict[tuple[str, Problem], dict[int, str]] = {}
    for (url, kind), own in places.items():
        for path, problem in _faults(use, url, kind, probes[url], rehearsal=rehearsal):
            told = faults.setdefault((path, problem._replace(message="", field=use.path)), {})
            told.update(dict.fromkeys(own, str(problem.message)))
    for (path, problem), told in faults.items():
        yield from use.renderer.locate(problem, path, told, use.rows)


def _faults(use: Use, url: str, kind: str, probe: FileResponse, *, rehearsal: bool) -> Iterator[tuple[str, Problem]]:
    """Each fault of a file, and the leaf to correct: where the address is literal, it may be the one with the kind."""
    answered = list(faults_of_answer(url, probe, rehearsal=rehearsal))
    yield from ((use.path, problem) for problem in answered)
    if not probe.fault and not any(problem.code != "private_address" for problem in answered):
        turns_on_kind = not use.renderer.is_bound(use.path) and use.renderer.is_bound(use.kind_from)
        path = use.kind_from if turns_on_kind else use.path
        yield from ((path, problem) for problem in faults_of_file(url, kind, probe))

"""Asking D7 what became of requests: one report each, several at once, never faster than the client's rate."""

from __future__ import annotations

import random
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from d7nb.api.reports import parse_report
from d7nb.api.retry import asks_too_long, wait_before_retry
from d7nb.errors import ApiError, Forbidden, NotConnected, NotFound, RateLimited, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from concurrent.futures import Future

    from d7nb.api.client import Client
    from d7nb.api.statuses import StatusUpdate

NOT_YET = "WHATSAPP_LOG_NOT_EXISTS"
"""D7's word for a request of which it has no report, or none yet (d7-api.md section 4)."""
_PACE = "report"
"""Reports have a pace of their own beside that of each originator's messages: D7 documents no limit for either."""
_GLANCE = 0.1
"""Seconds between two looks at what has come: a signal must not wait for an answer."""


class ReportResult(NamedTuple):
    """What came of asking for one report.

    Attributes:
        updates: What it says of each message.
        fault: Why there is none; None where there is one, or none yet.
        pending: Whether D7 has none yet.
    """

    updates: Sequence[StatusUpdate] = ()
    fault: ApiError | None = None
    pending: bool = False


def ask(client: Client, request_ids: Sequence[str]) -> Generator[list[ReportResult]]:
    """Ask for the reports of requests, each once.

    Whoever stops listening, by an interrupt for instance, ends it when the reports under way are there.

    Args:
        client: Asks, with as many workers and at the rate that it has.
        request_ids: As D7 gave them.

    Returns:
        What came, as it comes. After a refused token, or where D7 asks to wait for long, nothing more is asked for.
    """
    stopping = threading.Event()
    waiting = iter(request_ids)

    def one(request_id: str) -> ReportResult:
        asked = _report(client, request_id, stopping)
        fault = asked.fault
        if fault and (isinstance(fault, Unauthorized | Forbidden) or asks_too_long(fault.retry_after)):
            stopping.set()
        return asked

    with ThreadPoolExecutor(client.workers, thread_name_prefix="d7nb-report") as pool:
        flying: set[Future[ReportResult]] = set()
        try:
            while True:
                while len(flying) < 2 * client.workers and not stopping.is_set():
                    request_id = next(waiting, None)
                    if request_id is None:
                        break
                    flying.add(pool.submit(one, request_id))
                if not flying:
                    return
                landed, flying = wait(flying, _GLANCE, FIRST_COMPLETED)
                yield [future.result() for future in landed]
        finally:
            stopping.set()


def _report(client: Client, request_id: str, stopping: threading.Event) -> ReportResult:
    """In a worker: wait for leave, ask, and try again where that is all that D7 asks for."""
    fault: ApiError | None = None
    for tries in count(1):
        if not _has_leave(client, stopping):
            break
        try:
            body, at = client.dated_report(request_id)
            return ReportResult(parse_report({"request_id": request_id} | body, at))
        except NotFound as error:
            return ReportResult(pending=True) if error.code == NOT_YET else ReportResult(fault=error)
        except (RateLimited, NotConnected) as error:
            fault = error
            seconds = wait_before_retry(tries, error.retry_after, random.random())  # noqa: S311  (guards no secret)
            if seconds is None:
                break  # whoever waits for the others' answers, or sends with this client, need not wait so long
            client.rate_limiter.pause(seconds)
        except ApiError as error:
            return ReportResult(fault=error)
        finally:
            client.rate_limiter.release()
    return ReportResult(fault=fault)


def _has_leave(client: Client, stopping: threading.Event) -> bool:
    while not stopping.is_set():
        seconds = client.rate_limiter.acquire(_PACE, 1)
        if seconds <= 0:
            return True
        stopping.wait(seconds)
    return False

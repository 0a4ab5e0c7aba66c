"""Ask D7 for the reports of requests, several at once and never faster than the client's rate."""

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
"""D7's code for a request of which it has no report, or none yet (D7 API docs, "Get Status")."""
_RATE_KEY = "report"
"""The rate limiter's key for reports, which count apart from every originator's messages; D7 documents no limit."""
_POLL_INTERVAL = 0.1
"""Seconds between two looks at the results, so that an interrupt is not held up by a slow answer."""


class ReportResult(NamedTuple):
    """The result of asking for one report.

    Attributes:
        updates: The report's status of each message.
        fault: Why the report could not be read; None where it could, or is pending.
        pending: Whether D7 has no report yet.
    """

    updates: Sequence[StatusUpdate] = ()
    fault: ApiError | None = None
    pending: bool = False


def fetch_reports(client: Client, request_ids: Sequence[str]) -> Generator[list[ReportResult]]:
    """Ask for the report of each request, and yield the results as they come.

    A caller that stops iterating, for instance after an interrupt, waits for the reports that are being asked for.

    Args:
        client: Asks, with as many workers and at the rate that it has.
        request_ids: D7's ids of the requests.

    Yields:
        Some results. After a refused token, or where D7 asks to wait for long, no further report is asked for.
    """
    stopping = threading.Event()
    waiting_ids = iter(request_ids)

    def fetch(request_id: str) -> ReportResult:
        result = _fetch_report(client, request_id, stopping)
        fault = result.fault
        if fault and (isinstance(fault, Unauthorized | Forbidden) or asks_too_long(fault.retry_after)):
            stopping.set()
        return result

    with ThreadPoolExecutor(client.workers, thread_name_prefix="d7nb-report") as pool:
        pending: set[Future[ReportResult]] = set()
        try:
            while True:
                while len(pending) < 2 * client.workers and not stopping.is_set():
                    request_id = next(waiting_ids, None)
                    if request_id is None:
                        break
                    pending.add(pool.submit(fetch, request_id))
                if not pending:
                    return
                done, pending = wait(pending, _POLL_INTERVAL, FIRST_COMPLETED)
                yield [future.result() for future in done]
        finally:
            stopping.set()


def _fetch_report(client: Client, request_id: str, stopping: threading.Event) -> ReportResult:
    """Ask for one report, in a worker; try again where D7 asks to wait or can't be reached."""
    fault: ApiError | None = None
    for tries in count(1):
        if not _wait_for_turn(client, stopping):
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
                break  # the other reports, and a send with this client, need not wait so long
            client.rate_limiter.pause(seconds)
        except ApiError as error:
            return ReportResult(fault=error)
        finally:
            client.rate_limiter.release()
    return ReportResult(fault=fault)


def _wait_for_turn(client: Client, stopping: threading.Event) -> bool:
    """Wait until the rate limit allows a request, and return whether it does; False where polling stops."""
    while not stopping.is_set():
        seconds = client.rate_limiter.acquire(_RATE_KEY, 1)
        if seconds <= 0:
            return True
        stopping.wait(seconds)
    return False

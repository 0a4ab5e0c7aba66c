"""The checks that ``doctor`` makes: each is a function of the target that yields its findings, with advice.

No check asks the user anything, shows a token, creates a ledger, or sends a message.
"""

from __future__ import annotations

import os
import platform
import shlex
import stat
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version as installed
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from d7nb import plugins
from d7nb.api.auth import VARIABLE, find_token, token_source
from d7nb.api.client import Client
from d7nb.display.text import duration_text, plural
from d7nb.errors import ApiError, D7Error, Misdirected, Unauthorized, message_of
from d7nb.hints import Call, Hint, render
from d7nb.ledger import Ledger
from d7nb.plugins.manager import ALLOWED, BUILT_IN
from d7nb.store.companion import files_of
from d7nb.store.database import may_create_tables
from d7nb.store.location import filesystem_of, find_location, in_container, keeps_modes, read_mounts, warning_for
from d7nb.store.opening import check_not_gone
from d7nb.store.schema import SCHEMA
from d7nb.version import version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from d7nb.api.client import TokenCheck
    from d7nb.store.location import LedgerLocation

TIMEOUT = 5.0
"""Seconds that D7 has to answer, and that another writer may hold the ledger."""
MAX_CLOCK_SKEW = 60.0
"""Seconds by which this machine's clock may differ from D7's."""
PACKAGES = ("pandas", "requests", "pluggy", "ipywidgets", "SQLAlchemy", "phonenumbers")
EXTRAS = {
    "sandbox": ("pydantic", "starlette", "uvicorn"),
    "events": ("starlette", "uvicorn"),
    "fast": ("pyarrow",),
    "excel": ("openpyxl",),
    "keyring": ("keyring",),
    "postgres": ("psycopg",),
    "voila": ("voila",),
    "plot": ("matplotlib",),
}
"""The modules that each extra installs."""
_PLACEHOLDER_TOKEN = "none"  # noqa: S105  (any answer of D7 to it shows that D7 can be reached)


class Finding(NamedTuple):
    """A result of a check.

    Attributes:
        level: ``ok``; ``info``, which is neither good nor bad; ``warn``, which may cause trouble later; ``fail``.
        subject: The name of what was checked, in one word.
        message: The state that it is in.
        advice: The remedy; empty where nothing is to be done.
    """

    level: Literal["ok", "info", "warn", "fail"]
    subject: str
    message: str
    advice: str = ""


class Target(NamedTuple):
    """The API and the ledger to check.

    Attributes:
        base_url: The address of the API.
        ledger: The ledger's location; None for the usual one.
        offline: Whether the checks make no request to D7.
    """

    base_url: str
    ledger: str | None = None
    offline: bool = False


def run_checks(target: Target) -> Iterator[Finding]:
    """Run every check; one that raises does not stop the others."""
    for subject, check in CHECKS.items():
        try:
            yield from check(target)
        except (D7Error, ValueError) as error:
            yield Finding("fail", subject, message_of(error))
        except Exception as error:  # noqa: BLE001  (a defect of one check must not hide what the others report)
            yield Finding("fail", subject, f"the check itself failed: {type(error).__name__}: {error}")


def check_packages(_: Target) -> Iterator[Finding]:
    """Check the versions of d7nb and of what it needs, and which extras are installed."""
    yield Finding("ok", "d7nb", f"{version()}, Python {platform.python_version()} on {platform.system()}")
    versions = {name: _installed_version(name) for name in PACKAGES}
    yield Finding("ok", "packages", ", ".join(f"{name} {number}" for name, number in versions.items() if number))
    missing = [name for name, number in versions.items() if not number]
    if missing:
        yield Finding("fail", "packages", f"missing: {', '.join(missing)}", "pip install --upgrade d7nb")
    complete = {extra: all(find_spec(module) for module in modules) for extra, modules in EXTRAS.items()}
    extras = [extra if is_installed else f"{extra} (not installed)" for extra, is_installed in complete.items()]
    yield Finding("info", "extras", ", ".join(extras))


def _installed_version(name: str) -> str | None:
    try:
        return installed(name)
    except PackageNotFoundError:
        return None


def check_token(_: Target) -> Iterator[Finding]:
    """Check that there is a token, and say where it is."""
    source = token_source()
    if source is None:
        advice = f"set the environment variable {VARIABLE}, or run `keyring set d7nb api-token`; a sandbox needs none"
        yield Finding("warn", "token", "none found; a notebook or a terminal would ask for it", advice)
        return
    find_token(None, ask=False)  # raises if it is malformed
    yield Finding("ok", "token", f"found in {source}")


def check_api(target: Target) -> Iterator[Finding]:
    """Check that D7 answers and accepts the token, that there is credit, and that the clocks agree."""
    if target.offline:
        yield Finding("info", "D7", "not asked, because of --offline")
        return
    yield from _proxy(target.base_url)
    has_token = token_source() is not None
    with Client(
        None if has_token else _PLACEHOLDER_TOKEN, base_url=target.base_url, timeout=TIMEOUT, ask=False
    ) as client:
        token_check = client.probe()
        yield _reachability(token_check, client.base_url)
        if has_token and (token_check.error is None or token_check.error.status is not None):
            yield from _acceptance(token_check, client)
        if token_check.time is not None:
            yield _clock_difference(token_check.time)


def _proxy(base_url: str) -> Iterator[Finding]:
    from requests.utils import get_environ_proxies

    parts = urlsplit(base_url)
    proxy = get_environ_proxies(base_url).get(parts.scheme) if parts.scheme == "https" else None
    if proxy:
        yield Finding("info", "proxy", f"the environment sets the proxy {urlsplit(proxy).hostname or 'without a name'}")


def _reachability(token_check: TokenCheck, base_url: str) -> Finding:
    error = token_check.error
    if error is None or isinstance(error, Unauthorized):
        return Finding("ok", "D7", f"{base_url} answers")
    if error.status is None:
        advice = "without a network, plans, previews and the sandbox still work"
        return Finding("fail", "D7", f"{base_url}: {message_of(error)}", advice)
    if isinstance(error, Misdirected):
        return Finding("fail", "D7", f"{base_url}: {message_of(error)}")
    return Finding(
        "warn",
        "D7",
        f"{base_url} answers, but not as D7 does: {message_of(error)}",
        "check --base-url, or try again later",
    )


def _acceptance(token_check: TokenCheck, client: Client) -> Iterator[Finding]:
    if isinstance(token_check.error, Unauthorized):
        yield Finding("fail", "token", f"not accepted: {token_check.error}", "make a new one in D7's dashboard")
    if token_check.error is not None:
        return
    yield Finding("ok", "token", "D7 accepts it")
    try:
        balance = client.balance()
    except ApiError as error:
        yield Finding("info", "balance", f"unknown: {error}")
        return
    if balance > 0:
        yield Finding("info", "balance", f"{balance:,.2f} in the account's own currency")
    else:
        yield Finding("warn", "balance", f"{balance:,.2f}: no message would be sent", "top it up in D7's dashboard")


def _clock_difference(d7_time: datetime) -> Finding:
    ahead = (datetime.now(UTC) - d7_time).total_seconds()
    if abs(ahead) <= MAX_CLOCK_SKEW:
        return Finding("ok", "clock", "agrees with D7's")
    message = f"{duration_text(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} D7's"
    return Finding("warn", "clock", message, "set it: quiet hours, service windows and schedules depend on it")


def check_ledger(target: Target) -> Iterator[Finding]:
    """Check that the ledger can be used and that nobody else can read it, and count what it holds."""
    location = find_location(target.ledger, os.environ)
    if location.path is not None and _is_empty(location.path):
        check_not_gone(location)
        yield from _no_ledger_yet(location.path, location.address, ours=location.is_default)
        return
    if location.path is None and (missing_tables := _no_tables_yet(location)):
        yield missing_tables
        return
    with Ledger(target.ledger, patience=TIMEOUT) as opened:  # raises if it can't be written, or lost something
        campaigns = opened.campaigns()
    counts = campaigns.drop(columns=["campaign", "destination", "last"]).sum()
    contents = f"{plural(len(campaigns), 'campaign')}, {plural(int(counts.sum()), 'row')}"
    yield Finding("ok", "ledger", f"{location.address} can be read and written (schema {SCHEMA}): {contents}")
    if counts["unknown"]:
        message = f"{plural(int(counts['unknown']), 'row')} may have been sent, but nobody knows"
        advice = Hint(
            "look for the message in D7's dashboard, or ask a recipient; then record it: ",
            Call("delivery.settle", arguments=('"sent"',)),
            ', or .settle("not_sent")',
        )
        yield Finding("warn", "ledger", message, render(advice, "shell"))
    if counts["claimed"]:
        message = f"{plural(int(counts['claimed']), 'row')} being sent now, or by a send that was cut off"
        yield Finding("info", "ledger", message)
    if location.path is not None:
        yield from _durability(location.path.parent)
        yield from _privacy(location.path, ours=location.is_default)


def _is_empty(path: Path) -> bool:
    """Return whether there is no ledger yet: no file, or one that a program was about to fill when it was killed."""
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def _durability(folder: Path) -> Iterator[Finding]:
    """Check that a ledger lasts in a folder."""
    warning = warning_for(filesystem_of(folder.resolve(), read_mounts()), os.environ, contained=in_container())
    if warning:
        yield Finding("warn", "ledger", warning)


def _no_ledger_yet(path: Path, shown: str, *, ours: bool) -> Iterator[Finding]:
    """Check that a ledger can be created at a path; in d7nb's own folder (`ours`), the folder is created too."""
    folder = path.parent
    while ours and not folder.is_dir():
        folder = folder.parent
    if not folder.is_dir():
        yield Finding("fail", "ledger", f"{shown}: its folder does not exist", "make it, or correct the path")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("fail", "ledger", f"{shown}: its folder can't be written", "make it writable, or name another")
    else:
        yield Finding("ok", "ledger", f"none yet; the first send makes it at {shown}")
        yield from _durability(folder)


def _no_tables_yet(location: LedgerLocation) -> Finding | None:
    """Check that tables can be created in a database; None where it has a ledger, or the driver is missing."""
    may_create = may_create_tables(location, timeout=TIMEOUT)
    if may_create is None:
        return None
    check_not_gone(location)
    if may_create:
        return Finding("ok", "ledger", f"none yet; the first send makes its tables in {location.address}")
    return Finding(
        "fail",
        "ledger",
        f"{location.address}: d7nb may not create tables there",
        "grant that right, or name another database",
    )


def _privacy(path: Path, *, ours: bool) -> Iterator[Finding]:
    """Check that other users of this machine have no access to the ledger's files."""
    if os.name != "posix":
        return
    if not keeps_modes(path.parent):
        yield Finding("info", "privacy", "the file system does not keep who may read a file")
        return
    private_modes = dict.fromkeys(files_of(path), "600")
    if ours:
        private_modes[path.parent] = "700"
    exposed = {file: mode for file, mode in private_modes.items() if _others_have_access(file)}
    for file, mode in exposed.items():
        yield Finding(
            "warn", "privacy", f"others on this machine can get at {file}", f"chmod {mode} {shlex.quote(str(file))}"
        )
    if not exposed:
        yield Finding("ok", "privacy", "nobody else on this machine can read the ledger")


def _others_have_access(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))


def check_plugins(_: Target) -> Iterator[Finding]:
    """Check that every plugin works, and all of them together."""
    table = plugins.table()
    active = table["status"] == "active"
    built_in = int((table["source"] == BUILT_IN).sum())
    yield Finding("ok", "plugins", f"{built_in} built in, {int(active.sum()) - built_in} more in use")
    if os.environ.get(ALLOWED) is not None:
        yield Finding("info", "plugins", f"{ALLOWED} allows only: {os.environ[ALLOWED] or 'none'}")
    for row in table[~active].itertuples():
        message = f"{row.name} {row.version} of {row.source} is {row.status}"
        yield Finding("fail", "plugins", message, f"update or remove it, or name in {ALLOWED} those that you want")
    plugins.content_types()  # these two raise where plugins contradict each other
    plugins.filters()


CHECKS: dict[str, Callable[[Target], Iterator[Finding]]] = {
    "packages": check_packages,
    "token": check_token,
    "D7": check_api,
    "ledger": check_ledger,
    "plugins": check_plugins,
}
"""Every check by its subject, in the order in which they are run."""

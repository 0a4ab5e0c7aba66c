"""What ``doctor`` looks at: each check is a function of the patient that says what it found, and what to do.

No check asks anybody anything, shows a token, makes a ledger, or sends a message.
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

from sqlalchemy import create_engine, inspect, text

from d7nb import plugins
from d7nb.api.auth import VARIABLE, find_token, token_source
from d7nb.api.client import Client
from d7nb.display.text import about, plural
from d7nb.errors import ApiError, D7Error, Misdirected, Unauthorized
from d7nb.ledger import Ledger
from d7nb.plugins.manager import ALLOWED, BUILT_IN
from d7nb.store.faults import guarded
from d7nb.store.location import filesystem_of, find_location, in_container, read_mounts, warning_for
from d7nb.store.schema import SCHEMA, meta
from d7nb.version import version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from d7nb.api.endpoints import TokenCheck
    from d7nb.store.location import LedgerLocation

SECONDS = 5.0
"""How long D7 may take to answer, and another writer to let go of the ledger."""
SKEW = 60.0
"""Seconds by which two clocks may differ."""
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
"""Each extra, and the modules that it brings."""
_NOBODYS = "none"
"""In place of a token: whatever D7 says to it shows that D7 can be reached."""


class Finding(NamedTuple):
    """What one look came to.

    Attributes:
        mark: ``ok``; ``info``, which is neither good nor bad; ``warn``, which may become a nuisance; ``fail``.
        what: What was looked at, in a word.
        found: What was found.
        advice: What to do about it; empty where nothing is to be done.
    """

    mark: Literal["ok", "info", "warn", "fail"]
    what: str
    found: str
    advice: str = ""


class Target(NamedTuple):
    """What is looked at.

    Attributes:
        base_url: Where the API is.
        ledger: A ledger's place; the usual one where it is None.
        offline: Whether D7 is left alone.
    """

    base_url: str
    ledger: str | None = None
    offline: bool = False


def examine(patient: Target) -> Iterator[Finding]:
    """Make every check; one that breaks does not keep the others from being made."""
    for what, check in CHECKS.items():
        try:
            yield from check(patient)
        except (D7Error, ValueError) as error:
            yield Finding("fail", what, str(error))
        except Exception as error:  # noqa: BLE001  (a doctor who faints helps nobody)
            yield Finding("fail", what, f"the check itself failed: {type(error).__name__}: {error}")


def versions(_: Target) -> Iterator[Finding]:
    """What is installed."""
    yield Finding("ok", "d7nb", f"{version()}, Python {platform.python_version()} on {platform.system()}")
    found = {name: _installed(name) for name in PACKAGES}
    there = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    yield Finding("ok", "packages", there)
    missing = [name for name, number in found.items() if not number]
    if missing:
        yield Finding("fail", "packages", f"missing: {', '.join(missing)}", "pip install --upgrade d7nb")
    here = {extra: all(find_spec(module) for module in modules) for extra, modules in EXTRAS.items()}
    told = [f"{extra}{'' if present else ' (not installed)'}" for extra, present in here.items()]
    yield Finding("info", "extras", ", ".join(told))


def _installed(name: str) -> str | None:
    try:
        return installed(name)
    except PackageNotFoundError:
        return None


def token(_: Target) -> Iterator[Finding]:
    """Whether there is a token, and where."""
    source = token_source()
    if source is None:
        advice = f"set {VARIABLE}, or store it with keyring set d7nb api-token; a sandbox needs none"
        yield Finding("warn", "token", "none found; a notebook or a terminal would ask for it", advice)
        return
    find_token(None, ask=False)  # which says what is wrong with it
    yield Finding("ok", "token", f"found in {source}")


def d7(patient: Target) -> Iterator[Finding]:
    """Whether D7 answers and takes the token, what credit there is, and whether the clocks agree."""
    if patient.offline:
        yield Finding("info", "D7", "not asked, because of --offline")
        return
    yield from _proxy(patient.base_url)
    has_token = token_source() is not None
    with Client(None if has_token else _NOBODYS, base_url=patient.base_url, timeout=SECONDS, ask=False) as client:
        probe = client.probe()
        yield _reached(probe, client.base_url)
        if probe.error is None or probe.error.status is not None:
            yield from _taken(probe, client) if has_token else ()
        if probe.time is not None:
            yield _clock(probe.time)


def _proxy(base_url: str) -> Iterator[Finding]:
    from requests.utils import get_environ_proxies  # noqa: PLC0415  (only here)

    parts = urlsplit(base_url)
    proxy = get_environ_proxies(base_url).get(parts.scheme) if parts.scheme == "https" else None
    if proxy:
        yield Finding("info", "proxy", f"the environment names {urlsplit(proxy).hostname or 'one that has no name'}")


def _reached(probe: TokenCheck, where: str) -> Finding:
    error = probe.error
    if error is None or isinstance(error, Unauthorized):
        return Finding("ok", "D7", f"{where} answers")
    if error.status is None:
        advice = "without a network, plans, previews and the sandbox still work"
        return Finding("fail", "D7", f"{where}: {error}", advice)
    if isinstance(error, Misdirected):
        return Finding("fail", "D7", f"{where}: {error}")
    return Finding(
        "warn", "D7", f"{where} answers, but not as D7 does: {error}", "check --base-url, or try again later"
    )


def _taken(probe: TokenCheck, client: Client) -> Iterator[Finding]:
    if isinstance(probe.error, Unauthorized):
        yield Finding("fail", "token", f"not accepted: {probe.error}", "make a new one in D7's dashboard")
    if probe.error is not None:
        return
    yield Finding("ok", "token", "D7 takes it")
    try:
        balance = client.balance()
    except ApiError as error:
        yield Finding("info", "balance", f"not told: {error}")
        return
    if balance > 0:
        yield Finding("info", "balance", f"{balance:,.2f} in the account's own currency")
    else:
        yield Finding("warn", "balance", f"{balance:,.2f}: nothing would go", "top it up in D7's dashboard")


def _clock(theirs: datetime) -> Finding:
    ahead = (datetime.now(UTC) - theirs).total_seconds()
    if abs(ahead) <= SKEW:
        return Finding("ok", "clock", "agrees with D7's")
    found = f"{about(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} D7's"
    return Finding("warn", "clock", found, "set it: quiet hours, service windows and schedules are judged by it")


def ledger(patient: Target) -> Iterator[Finding]:
    """Whether the ledger can be used, what it holds, and whether others can read it."""
    place = find_location(patient.ledger, os.environ)
    if place.path is not None and not place.path.exists():
        yield from _no_ledger_yet(place.path, place.address, ours=place.is_default)
        return
    if place.path is None and (none_yet := _no_tables_yet(place)):
        yield none_yet
        return
    with Ledger(patient.ledger, patience=SECONDS) as opened:  # which tries whether it can be written
        campaigns, warning = opened.campaigns(), opened.warning
    counts = campaigns.drop(columns=["campaign", "destination", "last"]).sum()
    told = f"{plural(len(campaigns), 'mailing')}, {plural(int(counts.sum()), 'row')}"
    yield Finding("ok", "ledger", f"{place.address} can be read and written (schema {SCHEMA}): {told}")
    if counts["unknown"]:
        found = f"{plural(int(counts['unknown']), 'row')} may have gone out, and nobody knows"
        yield Finding("warn", "ledger", found, 'find out, then plan.delivery(client).settle("sent") or "not_sent"')
    if counts["claimed"]:
        found = f"{plural(int(counts['claimed']), 'row')} being sent now, or by a process that ended in the middle"
        yield Finding("info", "ledger", found)
    if warning:
        yield Finding("warn", "ledger", warning)
    if place.path is not None:
        yield from _privacy(place.path, ours=place.is_default)


def _no_ledger_yet(path: Path, shown: str, *, ours: bool) -> Iterator[Finding]:
    folder = path.parent
    while ours and not folder.is_dir():  # d7nb makes its own
        folder = folder.parent
    if not folder.is_dir():
        yield Finding("fail", "ledger", f"{shown}: its folder is not there", "make it, or correct the path")
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("fail", "ledger", f"{shown}: its folder can't be written", "make it writable, or name another")
    else:
        yield Finding("ok", "ledger", f"none yet; the first send makes it at {shown}")
        warning = warning_for(filesystem_of(folder.resolve(), read_mounts()), os.environ, contained=in_container())
        if warning:
            yield Finding("warn", "ledger", warning)


def _no_tables_yet(place: LedgerLocation) -> Finding | None:
    """What there is to say of a database without a ledger; None where it has one, or the driver is missing."""
    try:
        engine = create_engine(place.url, hide_parameters=True, connect_args={"connect_timeout": int(SECONDS)})
    except ImportError:
        return None
    try:
        with guarded(place.name), engine.connect() as connection:
            if inspect(connection).has_table(meta.name):
                return None
            may = connection.execute(text("SELECT has_schema_privilege(current_schema(), 'CREATE')")).scalar()
    finally:
        engine.dispose()
    if may:
        return Finding("ok", "ledger", f"none yet; the first send makes its tables in {place.address}")
    return Finding(
        "fail", "ledger", f"{place.address}: no tables can be made there", "grant the right, or name another"
    )


def _privacy(path: Path, *, ours: bool) -> Iterator[Finding]:
    if os.name != "posix":
        return
    looked_at = {path: "600", path.with_name(f"{path.name}.secret"): "600"}
    if ours:
        looked_at[path.parent] = "700"
    open_ones = {each: mode for each, mode in looked_at.items() if each.exists() and _others_may(each)}
    for each, mode in open_ones.items():
        yield Finding(
            "warn", "privacy", f"others on this machine can get at {each}", f"chmod {mode} {shlex.quote(str(each))}"
        )
    if not open_ones:
        yield Finding("ok", "privacy", "nobody else on this machine can read the ledger")


def _others_may(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))


def house(_: Target) -> Iterator[Finding]:
    """Whether every plugin works, and all of them together."""
    table = plugins.table()
    active = table["status"] == "active"
    own = int((table["source"] == BUILT_IN).sum())
    yield Finding("ok", "plugins", f"{own} built in, {int(active.sum()) - own} more in use")
    if os.environ.get(ALLOWED) is not None:
        yield Finding("info", "plugins", f"{ALLOWED} lets in only: {os.environ[ALLOWED] or 'none'}")
    for row in table[~active].itertuples():
        found = f"{row.name} {row.version} of {row.source} is {row.status}"
        yield Finding("fail", "plugins", found, f"update or remove it, or name in {ALLOWED} those that you want")
    plugins.content_types()
    plugins.filters()


CHECKS: dict[str, Callable[[Target], Iterator[Finding]]] = {
    "packages": versions,
    "token": token,
    "D7": d7,
    "ledger": ledger,
    "plugins": house,
}
"""Every check, by what it looks at, in the order in which they are made."""

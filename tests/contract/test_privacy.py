"""Neither a token nor a whole number in anything that d7nb shows or keeps.

`tests/watching.py` looks at whatever the suite shows by the way. Here everything is brought about on purpose, with
numbers wherever a user or D7 could put one: in column names, index labels, campaigns, file names, the words of
filters, and D7's own answers.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ipywidgets
import pandas as pd
import pytest
import sqlalchemy

import d7nb
from d7nb import Text, by_column, col, errors
from d7nb.api.inbound import InboundMessage
from d7nb.api.statuses import StatusUpdate
from d7nb.cli import main
from d7nb.display.previews import Preview
from d7nb.planning import planner
from d7nb.planning.release import chosen_numbers
from d7nb.store.dead_letters import DeadLetter
from d7nb.store.runs import Run
from d7nb.widgets import controls
from tests.support.ledgers import NOW, keys, people, postgres
from tests.support.privacy_watch import (
    HOUSE,
    TESTS,
    Watch,
    classes,
    frames_of,
    is_in,
    locals_of,
    numbers_in,
    shown_by,
    tokens_in,
)
from tests.support.servers import Handler, answering, free_port, serving

ROOT = Path(__file__).parents[2]
ORIGINATOR = "+12025550100"
GOOD = [f"+120255501{last}" for last in range(31, 40)]
AWKWARD = "+1/202,555;0141x"
LABELS = [f"+1 (212) 555-01{last}" for last in range(31, 42)]
COLUMN = "asked by +61 491 570 156"
FILTERED, FILTER_SAID = GOOD[1], "on the list of 0491.570.006"
TOKEN_SHAPED = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.abc"
TOKEN, PASSWORD = "a-token-that-is-no-jwt.9f8e7d6c", "hush-hush"
BODY = "Dear {name}, teal otters call you from +1-305-555-0107"
SAID_BY_D7 = {"detail": {"code": "BLOCKED_+12025550138", "message": "+1 202 555 0138 and 012025550138 are blocked."}}


def table() -> pd.DataFrame:
    """Customers, and numbers where nobody looks for them."""
    numbers = [*GOOD, AWKWARD, "+5215512345678"]
    frame = pd.DataFrame({"phone": numbers, "name": "Alistair", COLUMN: "yes"}, index=pd.Index(LABELS))
    frame.loc[LABELS[2], "name"] = None
    frame[COLUMN] = ["+4670 174 06 10", *frame[COLUMN].iloc[1:]]
    return frame


@d7nb.row_filter(register=False)
def asked_not_to(rows: pd.DataFrame) -> pd.Series:
    return (rows["phone"] == FILTERED).map({True: FILTER_SAID})


def planned(frame: pd.DataFrame | None = None, content: Any = None, **options: Any) -> d7nb.Plan:
    given = {"to": "phone", "originator": ORIGINATOR, "campaign": "for +1 202 555 0139", "filters": [asked_not_to]}
    return d7nb.plan(table() if frame is None else frame, content or Text(BODY), **given | options)


@pytest.fixture
def client(sandbox: d7nb.Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[d7nb.Client]:
    """A client whose token is a secret, of a sandbox that knows it; each row goes alone, in the order of the table."""
    monkeypatch.setattr("d7nb.sandbox.app.TOKEN", TOKEN)
    with d7nb.Client(TOKEN, base_url=sandbox.url, rate=None, workers=1, batch_size=1) as client:
        yield client


def troubled(sandbox: d7nb.Sandbox) -> None:
    """Let the next requests come to every sort of end; rows 0, 3, 4, ... are ready."""
    sandbox.fail_next("status", code=400, body=SAID_BY_D7)
    sandbox.fail_next("drop_after")
    sandbox.fail_next("status", code=429, retry_after=0, body=SAID_BY_D7)
    sandbox.fail_next("garbage")
    sandbox.fail_next("refuse", recipient=GOOD[6])


OUTCOMES = {"accepted": 3, "rejected": 2, "unknown": 2, "invalid": 2, "held": 1, "skipped": 1}


def sent(sandbox: d7nb.Sandbox, client: d7nb.Client, **options: Any) -> d7nb.Delivery:
    """What comes of all that trouble."""
    troubled(sandbox)
    delivery = planned(campaign=options.pop("campaign", "otters")).send(client, progress=False, **options)
    assert {word: count for word, count in delivery.summary.items() if count} == OUTCOMES
    return delivery


def check(where: str, text: str) -> None:
    """Nothing in a text that must not be seen."""
    assert text, where
    assert numbers_in(text) + tokens_in(text, {TOKEN, PASSWORD}) == [], f"{where}:\n{text}"


def check_shown(thing: Any) -> None:
    shown = [repr(thing), str(thing), *(thing._repr_html_() for _ in range(hasattr(thing, "_repr_html_")))]
    check(type(thing).__name__, "\n".join(shown))


# displays


def test_what_shows_itself(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    plan = planned(content=by_column(COLUMN, {"yes": Text(BODY), "no": Text("{name}")}))
    delivery = sent(sandbox, client)
    with d7nb.Ledger() as ledger:
        things = [plan, plan.preview(20), delivery, ledger, sandbox, client, asked_not_to, plan._decision.content]
        for thing in [
            *things,
            col(COLUMN),
            Text(BODY),
            table().d7,
            plan._mailing,
            plan._decision,
            delivery.settle("sent"),
        ]:
            check_shown(thing)


def test_what_is_wrong_with_cells_is_told_without_them() -> None:
    problems = planned(content=by_column(COLUMN, {"yes": Text(BODY), "no": Text("{name}")})).problems
    assert set(problems["code"]) >= {"missing", "unknown_kind", "characters"}
    check("problems", problems[["value", "message", "hint"]].to_string(max_colwidth=None))


def test_a_form_shows_masked_what_is_not_the_user_s_own_typing(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    own = {"to": "phone", "originator": ORIGINATOR, "campaign": "otters", "filters": [asked_not_to]}
    form = table().d7.compose(client, Text(BODY), **own)
    states: list[Callable[[], Any]] = [
        lambda: None,
        lambda: troubled(sandbox) or form.send(),
        lambda: setattr(form.model, "to", COLUMN),
        lambda: setattr(form.model, "to", None),
    ]
    shown = []
    for reach in states:
        reach()
        assert form.wait(60)
        shown += [widget.value for widget in widgets_in(form.widget) if isinstance(widget, ipywidgets.HTML)]
    form.close()
    assert "Alistair" in "".join(shown)
    check("the form", "\n".join(shown) + repr(form))


def widgets_in(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from widgets_in(child)


def test_previews_show_numbers_when_they_are_asked_to_and_nothing_else_does() -> None:
    plan = planned()
    with d7nb.options.revealed():
        assert numbers_in(repr(plan.preview()))
        assert numbers_in(plan.preview()._repr_html_())
        check_shown(plan)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path, out = tmp_path / f"{GOOD[0]}.csv", tmp_path / f"{GOOD[1]}.csv"
    table().to_csv(path, index=False, encoding="cp1252")
    which = [str(path), "--to", "phone", "--text", BODY, "--originator", ORIGINATOR]
    ledger = ["--ledger", str(tmp_path / "ledger.sqlite3")]
    commands = [
        ["demo"],
        ["check", *which, "--all", "--out", str(out)],
        ["check", *which[:3], "--to", COLUMN, "--text", BODY],
        ["check", *which[:3], "--to", COLUMN, "--text", "{no +12025550123}"],
        ["check", *which[:3], "--to", "+12025550123", "--text", BODY],
        ["send", *which, *ledger, "--sandbox", "--campaign", "for +12025550123", "--out", str(out)],
        ["send", *which, *ledger, "--sandbox", "--confirm", "3"],
        ["ledger", *ledger],
        ["ledger", "export", str(out.with_suffix(".xlsx")), *ledger],
        ["ledger", "forget", "for +12025550123", "--before", "2100-01-01", *ledger],
        ["ledger", "--ledger", str(tmp_path / GOOD[2] / "ledger.sqlite3")],
    ]
    for command in commands:
        main(command)
        printed = capsys.readouterr()
        check(command[0], printed.out + printed.err)
    check("the log", caplog.text)


# errors


def failing(rows: pd.DataFrame) -> pd.Series:
    raise KeyError(f"nothing for {len(rows)} rows")


def asking(rows: pd.DataFrame) -> pd.Series:
    d7nb.check_numbers(rows["phone"], country=["AE"])
    raise AssertionError


def text(originator: str = ORIGINATOR, recipient: str = GOOD[0]) -> dict[str, Any]:
    content = {"message_type": "TEXT", "text": {"body": BODY}}
    return {"messages": [{"originator": originator, "content": content, "recipients": [{"recipient": recipient}]}]}


def held() -> pd.Series:
    return pd.Series(LABELS, index=LABELS)


PLANNING: dict[str, Callable[[], Any]] = {
    "no frame": lambda: d7nb.plan(table().to_dict(), Text(BODY), originator=ORIGINATOR),  # type: ignore[arg-type]
    "no column": lambda: planned(to=GOOD[0]),
    "no column of the accessor": lambda: table().d7.plan(Text(BODY), to=GOOD[0], originator=ORIGINATOR),
    "no column in a template": lambda: planned(content=Text("Hi {+12025550123}")),
    "twice the same column": lambda: planned(table().set_axis(["phone", COLUMN, COLUMN], axis=1), to=COLUMN),
    "no originator": lambda: planned(originator=None),
    "no content": lambda: planned(content=GOOD[0]),
    "no campaign": lambda: planned(campaign=""),
    "a reference that is none": lambda: planned(reference=GOOD),
    "a filter that is none": lambda: planned(filters=[GOOD[0]]),
    "a filter that fails": lambda: planned(filters=[d7nb.row_filter(register=False)(failing)]),
    "a filter that asks d7nb in vain": lambda: planned(filters=[d7nb.row_filter(register=False)(asking)]),
    "a filter that answers nonsense": lambda: planned(filters=[d7nb.row_filter(register=False)(len)]),
    "a list that is none": lambda: planned(filters=[d7nb.filters.OptOut(table())]),
    "a function that fails": lambda: planned(filters=[d7nb.filters.OptOut(lambda numbers: [len(numbers) / 0])]),
    "a column of consent that is not there": lambda: planned(filters=[d7nb.filters.Consent(GOOD[0])]),
    "a template that can't be read": lambda: Text("call +12025550123 {"),
    "a content that breaks a rule": lambda: d7nb.Location(GOOD[0], "1"),
    "a contact that breaks a rule": lambda: d7nb.Contacts([{"phones": [{"phone": GOOD[0]}], "nmae": "Ali"}]),
    "a number that is no candidate": lambda: planned().release(choose={10: GOOD[0]}),
    "a row that is not held": lambda: planned().release(choose=dict(enumerate(GOOD))),
    "no way to choose": lambda: planned().release(choose=GOOD[0]),
    "countries that do not fit": lambda: d7nb.check_numbers(table()["phone"], country=GOOD[:2]),
    "a form for nobody": lambda: table().d7.compose(content=GOOD[0]),
    "a form of a content that breaks a rule": lambda: table().d7.compose(content=Text(BODY), campaign="").plan,
    "no way to send again": lambda: planned().going(resend=GOOD[0]),
    "rows that are none": lambda: planned().going(resend=held()),
}


def read(data: str | bytes) -> Callable[[], Any]:
    return lambda: d7nb.read_table(io.BytesIO(data) if isinstance(data, bytes) else io.StringIO(data))


ROWS = "phone;name\n" + "".join(f"{number};Žofie\n" for number in GOOD)
READING: dict[str, Callable[[], Any]] = {
    "too many cells": read(f"{ROWS}{GOOD[0]};a;b\n"),
    "an open quote": read(f'{ROWS}"{GOOD[0]};a\n'),
    "broken UTF-8": read(ROWS.encode() * 3 + b"\xc5;\n"),
    "no Excel": read(b"PK\x03\x04" + ROWS.encode()),
    "another encoding": lambda: d7nb.read_table(io.BytesIO(ROWS.encode("cp1250")), encoding="utf-8"),
    "text in another encoding": lambda: d7nb.read_table(io.TextIOWrapper(io.BytesIO(b"\xff" + ROWS.encode()), "utf-8")),
}

ANSWERS = {
    "refused": answering(401, json.dumps(SAID_BY_D7).encode()),
    "no credit": answering(402, json.dumps(SAID_BY_D7).encode()),
    "forbidden": answering(403, json.dumps(SAID_BY_D7).encode()),
    "not found": answering(404, json.dumps(SAID_BY_D7).encode()),
    "invalid": answering(422, json.dumps({"detail": [{"loc": ["body", GOOD[0]], "msg": GOOD[0]}]}).encode()),
    "limited": answering(429, json.dumps(SAID_BY_D7).encode(), Retry_After="5"),
    "redirect": answering(307, Location=f"https://elsewhere.example/{GOOD[0]}"),
    "server error": answering(500, GOOD[0].encode()),
    "unreadable": answering(200, GOOD[0].encode()),
    "no answer": Handler.hang_up,
}


def check_error(error: BaseException, kind: type[BaseException]) -> None:
    """Neither in the error nor in the stack below the user, whose own variables are the user's."""
    assert isinstance(error, kind)
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    for one in causes:
        check("the error", shown_by(one))
        for frame in frames_of(one):
            if not is_in(frame, TESTS):
                check(f"a frame of {frame.f_code.co_filename}", locals_of(frame) or "nothing")


@pytest.mark.parametrize("name", PLANNING)
def test_a_plan_that_can_t_be_made_shows_nothing_of_its_rows(name: str) -> None:
    with pytest.raises(errors.PlanError) as caught:
        PLANNING[name]()
    check_error(caught.value, errors.PlanError)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert f"name = {name!r}" in "".join(told.format())  # the user's own variables are there
    assert [frame.filename for frame in told.stack if frame.filename.startswith(f"{HOUSE}/")] == []


def test_a_filter_s_author_still_sees_where_it_failed() -> None:
    with pytest.raises(errors.FilterError) as caught:
        PLANNING["a filter that fails"]()
    assert [frame.f_code.co_name for frame in frames_of(caught.value)][-1] == "failing"


def in_vain(other: Callable[[], Any]) -> None:
    """What many a notebook does: try another way when the first fails."""
    try:
        table()["nobody"]
    except KeyError:
        other()


def test_what_the_user_was_handling_keeps_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"no database" * 1000)
    others: list[Callable[[], Any]] = [
        lambda: planned(to="nobody"),
        lambda: planned().delivery(ledger=tmp_path / "damaged"),  # which has causes of its own in between
    ]
    for other in others:
        with pytest.raises(errors.D7Error) as caught:
            in_vain(other)
        linked: BaseException | None = caught.value
        while linked and not isinstance(linked, KeyError):
            linked = linked.__cause__ or linked.__context__
        assert linked
        assert linked.__traceback__


@pytest.mark.parametrize("name", READING)
def test_a_table_that_can_t_be_read_shows_nothing_of_its_cells(name: str) -> None:
    with pytest.raises(errors.TableError) as caught:
        READING[name]()
    check_error(caught.value, errors.TableError)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_d7_shows_nothing_of_what_was_sent(name: str) -> None:
    with serving(ANSWERS[name]) as server, d7nb.Client(TOKEN, base_url=server.url) as client:
        for ask in (lambda: client.post(text()), lambda: client.report("x")):
            with pytest.raises(errors.ApiError) as caught:
                ask()
            check_error(caught.value, errors.ApiError)
        check("the answer", repr(client.exchange(json.dumps(text()).encode())))


def test_no_connection_shows_nothing_of_what_was_to_be_sent() -> None:
    with d7nb.Client(TOKEN, base_url=f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(errors.NotConnected) as caught:
            client.post(text())
    check_error(caught.value, errors.NotConnected)


def test_what_stops_a_send_shows_nothing_of_its_rows(
    sandbox: d7nb.Sandbox, client: d7nb.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "damaged").write_bytes(b"no database" * 1000)
    plan = planned()
    stops: list[tuple[type[BaseException], Callable[[], Any]]] = [
        (errors.ConfirmError, lambda: plan.send(client, confirm=2)),
        (errors.ConfirmError, lambda: plan.send(client, resend=True)),
        (errors.PlanError, lambda: plan.send(sandbox)),  # type: ignore[arg-type]
        (errors.PlanError, lambda: plan.send(client, canary=0)),
        (errors.LedgerError, lambda: plan.send(client, ledger=tmp_path)),
        (errors.LedgerError, lambda: plan.send(client, ledger=tmp_path / "damaged")),
        (errors.LedgerError, lambda: plan.delivery(client, ledger=tmp_path / GOOD[0] / "ledger")),
        (errors.LedgerError, lambda: plan.going(client, ledger=f"postgresql://ann:{PASSWORD}@127.0.0.1:1/no")),
        (errors.PlanError, lambda: plan.delivery(client).settle("sent", rows=[0])),
        (errors.PlanError, lambda: plan.delivery(client).settle(GOOD[0])),  # type: ignore[arg-type]
        (errors.SandboxError, lambda: sandbox.fail_next("refuse", recipient=GOOD[0], status=999)),
        (errors.TokenError, lambda: d7nb.Client(f"{TOKEN} {TOKEN}")),
    ]
    for kind, stop in stops:
        with pytest.raises(kind) as caught:
            stop()
        check_error(caught.value, kind)
    assert sandbox.messages.empty

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("d7nb.display.progress.Progress.show", interrupted)
    with pytest.raises(errors.Interrupted) as stopped:
        plan.send(client, progress=False)
    check_error(stopped.value, errors.Interrupted)
    check_shown(stopped.value.delivery)
    build_plan = planner.build_plan

    def interrupted_here(*args: Any, **options: Any) -> Any:
        """Interrupt this thread alone: the form of another test may be planning, still."""
        return interrupted() if threading.current_thread() is threading.main_thread() else build_plan(*args, **options)

    monkeypatch.setattr(planner, "build_plan", interrupted_here)
    with pytest.raises(KeyboardInterrupt) as early:
        planned()
    check_error(early.value, KeyboardInterrupt)


def test_a_ledger_that_is_gone_shows_nothing_of_what_was_to_be_claimed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    with d7nb.Ledger(path) as ledger, Run(ledger.campaign("d7", "otters")) as run:
        path.rename(tmp_path / "elsewhere")
        with pytest.raises(errors.LedgerError) as caught:
            run.claim(keys([1]), people([1]), people([1]), at=NOW)
        check_error(caught.value, errors.LedgerError)


# logs


def test_no_log_at_any_level(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    caplog.set_level(1, "sqlalchemy")  # which sets a level of its own
    monkeypatch.setattr("d7nb.sandbox.app.TOKEN", TOKEN)
    with ExitStack() as stack:
        sandbox = stack.enter_context(d7nb.Sandbox())
        client = stack.enter_context(d7nb.Client(TOKEN, base_url=sandbox.url, rate=None, workers=1, batch_size=1))
        delivery = sent(sandbox, client)
        planned(campaign="otters").delivery(client)
        delivery.settle("sent")
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert loggers >= {"urllib3", "sqlalchemy", "uvicorn"}
    for record in caplog.records:
        check(f"a record of {record.name}", logging.Formatter("%(message)s").format(record) or "nothing")


# what is kept


def secrets_of_rows() -> list[bytes]:
    """What must not be in a ledger: numbers in any form, hashes that anybody could make of them, and texts."""
    words = [b"teal otters", b"Alistair", FILTER_SAID.encode(), TOKEN.encode()]
    for number in [*GOOD, AWKWARD]:
        for form in {number, number.removeprefix("+"), number.removeprefix("+1"), f"tel:{number}"}:
            words.append(form.encode())
            for kind in ("md5", "sha1", "sha256", "sha512", "blake2b"):
                digest = hashlib.new(kind, form.encode())
                # Hexadecimal in either case, and cut short: the ledger keeps half of what it makes of a number.
                words += [
                    digest.digest()[:16],
                    digest.hexdigest()[:32].encode(),
                    digest.hexdigest()[:32].upper().encode(),
                ]
            digits = form.removeprefix("+")
            if digits.isdecimal():
                words += [int(digits).to_bytes(8, order) for order in ("big", "little")]
    return words


def check_kept(where: str, data: bytes) -> None:
    assert data, where
    assert [word for word in secrets_of_rows() if word in data] == [], where
    check(where, data.decode("latin-1"))


def take_in_news(ledger: d7nb.Ledger, delivery: d7nb.Delivery) -> None:
    """What comes in after a send, all of it with numbers and texts in it."""
    went = delivery.frame.dropna(subset="d7_request_id")
    request_id = str(went["d7_request_id"].iloc[0])
    told = [
        StatusUpdate(request_id, "failed", NOW, "m1", f"131026: {number} is not on WhatsApp", (), number)
        for number in GOOD
    ]
    told += [StatusUpdate(request_id, f"Held for {number}", NOW, "m1", "", (), number) for number in GOOD]
    told.append(StatusUpdate("no such request", "sent", NOW, "m2", f"to {GOOD[0]}", ("a mark",), GOOD[0]))
    wrote = [
        InboundMessage(number, GOOD[1], NOW, "stop writing of teal otters, Alistair", "text", "i1") for number in GOOD
    ]
    oddities = [DeadLetter(f"no event about {GOOD[2]}", f'{{"from": "{GOOD[3]}", "token": "{TOKEN_SHAPED}"}}')]
    wanted = ledger.take_in(
        delivery._destination,
        updates=told,
        inbound=wrote,
        opt_outs=[one._replace(text="STOP") for one in wrote[:2]],
        aside=oddities,
        at=NOW,
    )
    assert wanted
    for shown in (ledger.opt_outs(), ledger.aside()):
        check("what the ledger shows", shown.to_string(max_colwidth=None))


def test_a_ledger_s_files_hold_no_number_and_no_text(
    sandbox: d7nb.Sandbox, client: d7nb.Client, tmp_path: Path
) -> None:
    with d7nb.Ledger(tmp_path / "ledger.sqlite3") as ledger:
        take_in_news(ledger, sent(sandbox, client, ledger=ledger))
        files = {path.name: path.read_bytes() for path in tmp_path.glob("ledger.sqlite3*")}
        assert set(files) >= {"ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "ledger.sqlite3.companion"}
        check("the ledger's frame", ledger.frame().to_string(max_colwidth=None))
        assert set(ledger.frame()["outcome"]) >= {"accepted", "rejected", "unknown"}
    files["when closed"] = (tmp_path / "ledger.sqlite3").read_bytes()
    assert b"otters" in b"".join(files.values())  # the campaign's name is kept, so it can be asked for
    for name, data in files.items():
        check_kept(name, data)


def test_a_ledger_in_postgresql_holds_no_number_and_no_text(sandbox: d7nb.Sandbox, client: d7nb.Client) -> None:
    with postgres() as url:
        delivery = sent(sandbox, client, ledger=url)
        with d7nb.Ledger(url) as ledger:
            take_in_news(ledger, delivery)
        engine = sqlalchemy.create_engine(url)
        found: dict[str, list[Any]] = {}
        with engine.connect() as connection:
            for name in sqlalchemy.inspect(connection).get_table_names():
                found[name] = [tuple(row) for row in connection.execute(sqlalchemy.text(f'SELECT * FROM "{name}"'))]
        engine.dispose()
    assert len(found["d7nb_ledger_rows"]) == sum(OUTCOMES[word] for word in ("accepted", "rejected", "unknown"))
    assert found.pop("d7nb_ledger_people_locks") == []  # only while a claim is being written
    for name, rows in found.items():
        cells = [cell for row in rows for cell in row]
        check_kept(name, b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells))


CASSETTES = sorted((ROOT / "cassettes").rglob("*.yaml"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", CASSETTES, ids=lambda path: path.stem)
def test_a_cassette_holds_no_token_and_only_numbers_that_are_nobody_s(path: Path) -> None:
    """Its numbers are whole, since a replay compares them; that they are nobody's is tested with the cassettes."""
    words = path.read_text(encoding="utf-8")
    assert tokens_in(words, {TOKEN, "Bearer", "Authorization", "authorization"}) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_only_its_user_s_own_numbers(path: Path) -> None:
    import nbformat  # takes seconds, which every process of the tests would spend
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs")] == []
    where = {"metadata": {"path": str(ROOT)}}  # so that the kernel imports what is tested here
    NotebookClient(notebook, timeout=300, resources=where).execute()
    # Code that does the same as a form has to have what its user typed into that.
    cells = [cell for cell in notebook.cells if "form.code" not in cell.source]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    own = [output for output in outputs if not is_frame(output)]
    assert own
    assert [output for output in outputs if 'class="d7nb"' in str(output) and output not in own] == []
    for output in own:
        check(f"an output of {path.name}", str(output.get("text") or words_of(output["data"])))


def words_of(data: dict[str, Any]) -> dict[str, Any]:
    """What an output says in words: in the letters of a picture's bytes, anything may seem to stand."""
    return {kind: said for kind, said in data.items() if not kind.startswith("image/")}


def is_frame(output: Any) -> bool:
    """Whether an output is a table or a cell of it: the user's data, which the user asked to see."""
    html = output.get("data", {}).get("text/html", "")
    return 'class="dataframe"' in html or "'message_type'" in str(output.get("data", {}).get("text/plain"))


# the watch itself


@pytest.fixture
def watch(request: pytest.FixtureRequest) -> Watch:
    found: Watch = request.config.pluginmanager.get_plugin("d7nb-watch")
    return found


def leak_log() -> None:
    logging.getLogger("d7nb.anything").debug("sent to %s", GOOD[0])


def leak_error() -> None:
    errors.ApiError("no", details=[GOOD[0]])


def leak_repr() -> None:
    repr(planned())


def leak_html() -> None:
    planned()._repr_html_()


def leak_form() -> None:
    controls.styled_html("<p>{{ words }}</p>", words=GOOD[0])


def leak_print() -> None:
    main(["demo"])


def leak_traceback() -> None:
    with pytest.raises(errors.PlanError):
        chosen_numbers(table().assign(candidates=None), pd.Index([]), None, GOOD[0])


@pytest.mark.parametrize("leak", [leak_log, leak_error, leak_repr, leak_html, leak_form, leak_print, leak_traceback])
def test_the_watch_sees_a_number(
    leak: Callable[[], None], watch: Watch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch.leaks() == []
    monkeypatch.setattr("d7nb.planning.plans.plan_text", lambda _: GOOD[0])
    monkeypatch.setattr("d7nb.planning.plans.plan_html", lambda _: GOOD[0])
    monkeypatch.setattr("d7nb.cli.demo.mask_number", lambda number: number)
    leak()
    assert watch.leaks()


@pytest.mark.parametrize("token", [TOKEN, "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.x"])
def test_the_watch_sees_a_token(watch: Watch, token: str) -> None:
    d7nb.Client(TOKEN).close()
    assert watch.leaks() == []
    logging.getLogger("urllib3.anything").debug("Authorization: Bearer %s", token)
    (leak,) = watch.leaks()
    assert token.partition(".")[0] in leak


def test_the_watch_lets_a_preview_reveal_and_nothing_else(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d7nb.planning.plans.plan_text", lambda _: GOOD[0])
    with d7nb.options.revealed():
        repr(planned().preview())
        assert watch.leaks() == []
        repr(planned())
        assert watch.leaks()


def test_the_watch_sees_every_class_that_shows_itself() -> None:
    watched = {kind for kind in classes() if hasattr(kind.__repr__, "__wrapped__")}
    public = {d7nb.Plan, d7nb.Delivery, Preview, d7nb.Client, d7nb.Ledger, d7nb.Sandbox}
    assert watched >= public


@pytest.mark.parametrize(
    "spelling",
    ["+12025550131", "1 (202) 555-0131", "202.555.0131", "1,202;555 0131", "[1, 202, 555, '0131']", "٢٠٢٥٥٥٠١٣١"],
)
def test_the_watch_knows_numbers_however_they_are_written(spelling: str) -> None:
    assert numbers_in(f"call {spelling} now") == ["2025550131"]


def test_the_watch_takes_no_date_price_or_mask_for_a_number() -> None:
    assert numbers_in("+120••••••31, 2026-11-23 09:55:50, 1,234,567.89, 25.2048 55.2708, " + str(list(range(99)))) == []

"""Plugins: in a cell, as a package, and what happens when one is wrong."""

from __future__ import annotations

import gc
import inspect
import logging
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import d7nb
from d7nb.content import Content, leaf
from d7nb.errors import FilterError, PluginError
from d7nb.filters.base import RowFilter
from d7nb.plugins import hookspecs as hooks
from d7nb.plugins.builtins import CONTENT_TYPES
from d7nb.plugins.manager import HOOKS, Manager
from d7nb.testing import fresh_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

FROM = "+12025550100"


class Poll(Content, message_type="POLL", root="poll"):
    question: str = leaf("question")


class Polls:
    @d7nb.hookimpl
    def d7nb_content_types(self) -> list[type[Content]]:
        return [Poll]


class Watcher:
    def __init__(self) -> None:
        self.seen: list[d7nb.Delivery] = []

    @d7nb.hookimpl
    def d7nb_after_send(self, delivery: d7nb.Delivery) -> None:
        self.seen.append(delivery)


@pytest.fixture(autouse=True)
def _own_plugins() -> Iterator[None]:
    with fresh_plugins():
        yield


def planned(people: pd.DataFrame, content: Any = None, **options: Any) -> d7nb.Plan:
    return d7nb.plan(people, content or d7nb.Text("Hi {name}"), to="phone", originator=FROM, **options)


class TestHooks:
    def test_every_hook_has_its_documented_signature_an_example_and_a_test(self) -> None:
        described = inspect.getdoc(hooks) or ""
        assert HOOKS == ("d7nb_content_types", "d7nb_filters", "d7nb_after_send")
        readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
        tests = Path(__file__).read_text(encoding="utf-8")
        for name in HOOKS:
            function = getattr(hooks, name)
            signature = f"{name}({', '.join(inspect.signature(function).parameters)})"
            assert f"`{signature}`" in readme, signature
            assert ">>> " in (inspect.getdoc(function) or ""), name
            assert f"def test_{name}" in tests, name
        assert "@d7nb.hookimpl" in described

    def test_d7nb_content_types(self, people: pd.DataFrame) -> None:
        with d7nb.plugins.register(Polls()), d7nb.Sandbox(extra_types=["POLL"]) as sandbox:
            assert d7nb.plugins.content_types() == (*CONTENT_TYPES, Poll)
            delivery = planned(people, Poll("Coming, {name}?")).send(sandbox.client(), progress=False)
            assert delivery.summary["accepted"] == 3
            assert sandbox.messages["content"].iloc[0] == {"message_type": "POLL", "poll": {"question": "Coming, Ali?"}}
        assert d7nb.plugins.content_types() == CONTENT_TYPES

    def test_d7nb_content_types_make_dotted_columns(self) -> None:
        frame = pd.DataFrame({"recipient": ["+12025550123"], "message_type": ["poll"], "poll.question": ["Why?"]})
        with d7nb.plugins.register(Polls()):
            (body,) = d7nb.plan(frame, originator=FROM).requests()
        assert body["messages"][0]["content"] == {"message_type": "POLL", "poll": {"question": "Why?"}}
        assert d7nb.plan(frame, originator=FROM).problems["code"].tolist() == ["unknown_kind"]

    def test_d7nb_filters(self, people: pd.DataFrame) -> None:
        @d7nb.row_filter(register=False)
        def in_debt(rows: pd.DataFrame) -> pd.Series:
            return (rows["balance"] < 0).map({True: "in debt"})

        class Policy:
            @d7nb.hookimpl
            def d7nb_filters(self) -> list[Any]:
                return [in_debt]

        with d7nb.plugins.register(Policy()):
            plan = planned(people)
        assert plan.rows["decided_by"].tolist()[2] == "in_debt"
        assert plan.rows["reason"].tolist()[2] == "in debt"
        assert planned(people).summary["ready"] == 3

    def test_d7nb_after_send(self, people: pd.DataFrame, sandbox: d7nb.Sandbox) -> None:
        watcher = Watcher()
        with d7nb.plugins.register(watcher):
            delivery = planned(people).send(sandbox.client(), progress=False)
        assert watcher.seen == [delivery]
        assert delivery.warnings == []


class TestInACell:
    def test_running_the_cell_again_replaces_the_filter(self, people: pd.DataFrame) -> None:
        for reason in ("first", "second"):

            @d7nb.row_filter
            def nobody(rows: pd.DataFrame, reason: str = reason) -> pd.Series:
                return pd.Series(reason, index=rows.index)

        assert set(planned(people).rows["reason"]) == {"second"}
        assert len(d7nb.plugins.filters()) == 2

    def test_running_the_cell_again_replaces_an_object(self, people: pd.DataFrame, sandbox: d7nb.Sandbox) -> None:
        first, second = Watcher(), Watcher()
        d7nb.plugins.register(first)
        d7nb.plugins.register(second)
        planned(people).send(sandbox.client(), progress=False)
        assert (len(first.seen), len(second.seen)) == (0, 1)

    def test_a_with_block_takes_it_out_and_puts_back_what_it_replaced(self) -> None:
        first, second = Watcher(), Watcher()
        d7nb.plugins.register(first, name="watch")
        with d7nb.plugins.register(second, name="watch"):
            pass
        d7nb.plugins.unregister(first)
        with pytest.raises(PluginError, match="'watch' is not registered"):
            d7nb.plugins.unregister("watch")

    def test_unregister_names_what_is_there(self) -> None:
        d7nb.plugins.register(Watcher(), name="watcher")
        with pytest.raises(PluginError, match="did you mean 'watcher'"):
            d7nb.plugins.unregister("wacher")
        with pytest.raises(PluginError, match="is built in"):
            d7nb.plugins.unregister("d7nb.filters")

    def test_a_filter_for_one_plan_does_not_meet_the_next(self, people: pd.DataFrame) -> None:
        @d7nb.row_filter(register=False)
        def nobody(rows: pd.DataFrame) -> pd.Series:
            return pd.Series("no", index=rows.index)

        assert planned(people, filters=[nobody]).summary["skipped"] == 3
        assert planned(people).summary["skipped"] == 0

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            (Watcher, "Watcher is a class; register an instance: Watcher()"),
            (object(), "has no hook; hooks are d7nb_content_types, d7nb_filters, d7nb_after_send"),
        ],
    )
    def test_what_is_no_plugin_is_told_at_once(self, wrong: Any, told: str) -> None:
        with pytest.raises(PluginError, match=re.escape(told)):
            d7nb.plugins.register(wrong)

    def test_a_misspelt_hook_is_told_at_once(self) -> None:
        class Misspelt:
            @d7nb.hookimpl
            def d7nb_filter(self) -> list[Any]:
                return []

        with pytest.raises(PluginError, match="there is no hook 'd7nb_filter'; did you mean 'd7nb_filters'"):
            d7nb.plugins.register(Misspelt())

    def test_a_hook_without_its_mark_is_told_at_once(self) -> None:
        class Unmarked:
            def d7nb_filters(self) -> list[Any]:
                return []

        with pytest.raises(PluginError, match=r"mark d7nb_filters with @d7nb.hookimpl"):
            d7nb.plugins.register(Unmarked())

    def test_an_unknown_argument_is_told_at_once_and_the_earlier_plugin_stays(self) -> None:
        class Greedy:
            @d7nb.hookimpl
            def d7nb_after_send(self, delivery: Any, frame: Any) -> None: ...

        watcher = Watcher()
        d7nb.plugins.register(watcher, name="watch")
        with pytest.raises(PluginError, match=r"(?s)'watch' can't be registered: .*frame"):
            d7nb.plugins.register(Greedy(), name="watch")
        assert d7nb.plugins.table().set_index("name")["status"]["watch"] == "active"

    def test_a_wrong_stage_is_told_at_once(self) -> None:
        with pytest.raises(PluginError, match="must be one of clean, consent, limit, final"):
            d7nb.row_filter(stage="early")(lambda rows: rows["name"])

    def test_a_built_in_plugin_can_t_be_replaced(self) -> None:
        with pytest.raises(PluginError, match=r"there is a plugin 'd7nb.content' already, from built in"):
            d7nb.plugins.register(Polls(), name="d7nb.content")

    def test_trace_logs_each_hook_call(
        self, people: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("D7NB_TRACE_PLUGINS", "1")
        with caplog.at_level(logging.INFO, "d7nb.plugins"):
            planned(people)
        assert {"d7nb_content_types of d7nb.content", "d7nb_filters of d7nb.filters"} <= set(caplog.messages)


def fake_distribution(folder: Path, name: str, code: str, entry: str) -> None:
    """What pip leaves of a package: a module and its dist-info."""
    (folder / f"{name.replace('-', '_')}.py").write_text(textwrap.dedent(code), encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[d7nb]\n{entry} = {name.replace('-', '_')}\n", encoding="utf-8")


class TestAsAPackage:
    @pytest.fixture
    def packages(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        monkeypatch.syspath_prepend(str(tmp_path))
        before = set(sys.modules)
        yield tmp_path
        for name in set(sys.modules) - before:
            del sys.modules[name]

    @pytest.fixture
    def house(self) -> Iterator[Manager]:
        with d7nb.plugins.using(Manager()) as manager:
            yield manager

    GOOD = """
        import d7nb
        from d7nb.content import Content, leaf
        class {0}(Content, message_type="{0}", root="x"):
            text: str = leaf("text")
        @d7nb.hookimpl
        def d7nb_content_types():
            return [{0}]
    """

    def test_a_good_one_is_found_once_and_listed(self, packages: Path, house: Manager) -> None:
        fake_distribution(packages, "d7nb-good", self.GOOD.format("GOOD"), "good")
        assert [kind.__name__ for kind in d7nb.plugins.content_types()][-1] == "GOOD"
        row = d7nb.plugins.table().set_index("name").loc["good"]
        assert row.to_dict() == {
            "version": "1.5",
            "source": "d7nb-good",
            "hooks": "d7nb_content_types",
            "status": "active",
        }
        fake_distribution(packages, "d7nb-late", self.GOOD.format("LATE"), "late")
        assert "late" not in d7nb.plugins.table()["name"].tolist()

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("x = 1", "has no hook"),
            ("import d7nb\n@d7nb.hookimpl\ndef d7nb_filtres(): return []", "did you mean 'd7nb_filters'"),
        ],
    )
    def test_a_broken_one_is_listed_and_stops_nothing(
        self, packages: Path, house: Manager, code: str, told: str, people: pd.DataFrame
    ) -> None:
        fake_distribution(packages, "d7nb-broken", code, "a-broken-one")
        fake_distribution(packages, "d7nb-good", self.GOOD.format("GOOD"), "good")
        assert planned(people).summary["ready"] == 3
        status = d7nb.plugins.table().set_index("name")["status"]
        assert status["a-broken-one"].startswith("broken: ")
        assert told in status["a-broken-one"]
        assert status["good"] == "active"

    @pytest.mark.parametrize(
        ("allowed", "there"), [("good", True), ("other, good", True), ("other", False), ("", False)]
    )
    def test_the_allow_list(
        self, packages: Path, house: Manager, monkeypatch: pytest.MonkeyPatch, allowed: str, there: bool
    ) -> None:
        monkeypatch.setenv("D7NB_PLUGINS", allowed)
        fake_distribution(packages, "d7nb-good", self.GOOD.format("GOOD"), "good")
        assert ("good" in d7nb.plugins.table()["name"].tolist()) is there

    def test_two_that_offer_the_same_type_are_both_named_before_anything_is_planned(
        self, packages: Path, house: Manager, people: pd.DataFrame
    ) -> None:
        fake_distribution(packages, "d7nb-one", self.GOOD.format("SAME"), "one")
        fake_distribution(packages, "d7nb-two", self.GOOD.format("SAME"), "two")
        told = r"two plugins offer the content type 'SAME': one \(d7nb-one\) and two \(d7nb-two\)"
        with pytest.raises(PluginError, match=told):
            planned(people)

    def test_two_that_offer_the_same_filter_are_both_named(self, people: pd.DataFrame) -> None:
        def plugin() -> Any:
            class Filters:
                @d7nb.hookimpl
                def d7nb_filters(self) -> list[Any]:
                    return [d7nb.row_filter(name="twin", register=False)(lambda rows: rows["name"])]

            return Filters()

        d7nb.plugins.register(plugin(), name="one")
        d7nb.plugins.register(plugin(), name="two")
        with pytest.raises(PluginError, match=r"two plugins offer the filter 'twin': one \(this kernel\) and two"):
            planned(people)

    def test_a_built_in_type_can_t_be_offered_again(self, people: pd.DataFrame) -> None:
        class Fake:
            @d7nb.hookimpl
            def d7nb_content_types(self) -> list[Any]:
                return [d7nb.Text]

        d7nb.plugins.register(Fake(), name="fake")
        with pytest.raises(PluginError, match=r"the content type 'Text': .*built in.* and fake"):
            planned(people)


class TestFailClosed:
    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (lambda rows: 1 / 0, "failed: ZeroDivisionError: division by zero"),
            (lambda rows: rows["nmae"], "failed: KeyError: 'nmae'"),
            (lambda rows: ["no"] * len(rows), "returned a list; return a series with one value for each row"),
            (lambda rows: pd.Series(["no"]), "returned 1 value for 3 rows, or in another order: keep rows.index"),
            (
                lambda rows: pd.Series(["no"] * 3, index=[7, 8, 9]),
                "returned 3 values for 3 rows, or in another order: keep rows.index",
            ),
            (lambda rows: rows["balance"] < 0, "gave a true/false value as a reason"),
            (lambda rows: pd.Series([1.5, 2, None], index=rows.index), "gave a number as a reason"),
            (lambda rows: pd.Series(["", None, None], index=rows.index), "gave an empty text as a reason"),
        ],
    )
    def test_a_filter_that_fails_stops_the_plan(self, people: pd.DataFrame, answer: Any, told: str) -> None:
        d7nb.row_filter(name="suspect")(answer)
        with pytest.raises(FilterError, match=re.escape(told)) as failed:
            planned(people)
        assert "'suspect'" in str(failed.value)
        assert "this kernel" in str(failed.value)

    def test_what_is_no_filter_is_told(self, people: pd.DataFrame) -> None:
        with pytest.raises(PluginError, match="filters= takes filters such as"):
            planned(people, filters=[len])

    def test_two_filters_of_one_plan_can_t_share_a_name(self, people: pd.DataFrame) -> None:
        stop = [d7nb.filters.OptOut([]), d7nb.filters.OptOut([])]
        with pytest.raises(PluginError, match="two filters of this plan are called 'opt-out'"):
            planned(people, filters=stop)

    def test_a_content_hook_that_fails_stops_the_plan(self, people: pd.DataFrame) -> None:
        class Failing:
            @d7nb.hookimpl
            def d7nb_content_types(self) -> list[Any]:
                raise ValueError("no luck")

        d7nb.plugins.register(Failing(), name="failing")
        with pytest.raises(
            PluginError, match=r"'failing' \(this kernel\) failed in d7nb_content_types: ValueError: no luck"
        ):
            planned(people)

    def test_a_filter_can_t_change_the_table(self, people: pd.DataFrame) -> None:
        @d7nb.row_filter
        def vandal(rows: pd.DataFrame) -> pd.Series:
            rows["name"] = "changed"
            rows["d7_recipient"] = "+12025550199"
            return pd.Series(None, index=rows.index, dtype="object")

        (body,) = planned(people).requests()
        assert [message["content"]["text"]["body"] for message in body["messages"]] == ["Hi Ali", "Hi Sara", "Hi Žofie"]

    def test_a_filter_can_t_change_what_the_plan_knows(self, people: pd.DataFrame) -> None:
        """It is shown the plan's own columns without a copy; whatever it writes to must be its own."""

        class Vandal(RowFilter):
            name, stage = "vandal", "clean"

            def check(self, rows: pd.DataFrame) -> pd.Series:
                self._ravage(rows)
                return pd.Series(None, index=rows.index, dtype="object")

            def warning(self, rows: pd.DataFrame) -> str:
                self._ravage(rows)
                return "nothing is left"

            def _ravage(self, rows: pd.DataFrame) -> None:
                rows.loc[:, ["d7_row", "d7_same_as"]] = 7
                rows.loc[:, "d7_recipient"] = "+12025550199"
                rows.loc[rows.index[0], "name"] = "changed"
                rows["d7_row"] += 1
                with pytest.raises(ValueError, match="read-only"):
                    rows["d7_row"].to_numpy()[:] = 9

        untouched, ravaged = planned(people), planned(people, filters=[Vandal()])
        assert list(ravaged.requests()) == list(untouched.requests())
        pd.testing.assert_frame_equal(ravaged.rows, untouched.rows)


def test_an_observer_that_fails_is_reported_and_loses_nothing(people: pd.DataFrame, sandbox: d7nb.Sandbox) -> None:
    class Failing:
        @d7nb.hookimpl
        def d7nb_after_send(self) -> None:
            raise RuntimeError("no disk")

    watcher = Watcher()
    d7nb.plugins.register(Failing(), name="a-failing-one")
    d7nb.plugins.register(watcher, name="watcher")
    delivery = planned(people).send(sandbox.client(), progress=False)
    assert delivery.summary["accepted"] == 3
    assert delivery.warnings == [
        "the plugin 'a-failing-one' (this kernel) failed after the send: RuntimeError: no disk"
    ]
    assert "no disk" in repr(delivery)
    assert watcher.seen == [delivery]


def test_an_observer_may_wait_and_sees_a_delivery_that_is_done(people: pd.DataFrame, sandbox: d7nb.Sandbox) -> None:
    seen: list[Any] = []

    class Waiting:
        @d7nb.hookimpl
        def d7nb_after_send(self, delivery: d7nb.Delivery) -> None:
            seen.append((delivery.wait() is delivery, delivery.done))
            raise SystemExit(1)

    d7nb.plugins.register(Waiting(), name="waiting")
    delivery = planned(people).send(sandbox.client(), progress=False)
    assert seen == [(True, True)]
    assert delivery.summary["accepted"] == 3
    assert "SystemExit" in delivery.warnings[0]


def test_what_a_plugin_raises_is_masked(people: pd.DataFrame) -> None:
    @d7nb.row_filter
    def chatty(rows: pd.DataFrame) -> pd.Series:
        raise ValueError(rows["d7_recipient"].iloc[0])

    with pytest.raises(FilterError) as failed:
        planned(people)
    assert "2025550123" not in str(failed.value)


class TestOrder:
    def test_filters_go_by_stage_and_name_whatever_the_order_of_registration(self, people: pd.DataFrame) -> None:
        seen: list[str] = []

        def filter_called(name: str, stage: str) -> None:
            def check(rows: pd.DataFrame) -> pd.Series:
                seen.append(name)
                return pd.Series(None, index=rows.index, dtype="object")

            d7nb.row_filter(name=name, stage=stage)(check)

        for name, stage in [("z", "final"), ("b", "limit"), ("c", "clean"), ("a", "final"), ("d", "consent")]:
            filter_called(name, stage)
        plan = planned(people)
        assert seen == ["c", "d", "b", "a", "z"]
        assert plan.filters["name"].tolist() == ["c", "d", "b", "a", "duplicates", "z"]

    def test_the_plan_shows_what_each_saw_and_skipped(self, people: pd.DataFrame) -> None:
        stop = d7nb.filters.OptOut(["+12025550124"])

        @d7nb.row_filter(register=False)
        def in_debt(rows: pd.DataFrame) -> pd.Series:
            return (rows["balance"] < 0).map({True: "in debt"})

        plan = planned(people, filters=[in_debt, stop])
        shown = plan.filters.set_index("name")
        assert shown[["saw", "skipped"]].to_dict("index") == {
            "opt-out": {"saw": 3, "skipped": 1},
            "duplicates": {"saw": 2, "skipped": 0},
            "in_debt": {"saw": 2, "skipped": 1},
        }
        assert shown["stage"].tolist() == ["consent", "final", "final"]
        assert plan.rows["decided_by"].tolist()[1:] == ["opt-out", "in_debt"]


def test_plugins_leave_nothing_behind(people: pd.DataFrame) -> None:
    """A registered object can be let go: nothing keeps what was unregistered."""
    import weakref

    watcher = Watcher()
    kept = weakref.ref(watcher)
    d7nb.plugins.register(watcher, name="w")
    d7nb.plugins.unregister("w")
    del watcher
    gc.collect()
    assert kept() is None

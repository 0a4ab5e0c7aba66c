"""The built-in pre-send filters: whom each spares, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import d7nb
from d7nb.errors import FilterError, PlanError, PluginError
from d7nb.filters import Allow, Cap, Consent, OptOut, QuietHours, ServiceWindow
from d7nb.testing import fresh_plugins, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FROM = "+12025550100"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEMPLATE = d7nb.Template("hello", "en")


@pytest.fixture(autouse=True)
def _own_plugins() -> Iterator[None]:
    with fresh_plugins():
        yield


class Clock:
    """A clock that tests move."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def planned(frame: pd.DataFrame, *filters: Any, content: Any = None, **options: Any) -> d7nb.Plan:
    return d7nb.plan(frame, content or d7nb.Text("Hi"), to="phone", originator=FROM, filters=filters, **options)


def skipped(plan: d7nb.Plan) -> list[str | None]:
    return [reason if isinstance(reason, str) else None for reason in plan.rows["reason"]]


class TestDuplicates:
    def test_the_first_goes_and_the_others_name_it(self) -> None:
        frame = pd.DataFrame({"phone": ["+12025550123", "001 202 555 0123", "+12025550124"]}, index=list("abc"))
        plan = planned(frame)
        assert plan.rows["verdict"].tolist() == ["ready", "skipped", "ready"]
        assert plan.rows["decided_by"].tolist()[1] == "duplicates"
        assert skipped(plan)[1] == "the same as the row at position 0 (index 'a')"

    def test_the_same_person_told_something_else_is_a_warning(self) -> None:
        frame = pd.DataFrame({"phone": ["+12025550123"] * 2, "text": ["one", "two"]})
        plan = planned(frame, content=d7nb.Text("{text}"))
        assert plan.summary["ready"] == 2
        (warning,) = plan.problems.to_dict("records")
        assert (warning["severity"], warning["code"]) == ("warning", "duplicates")
        assert "1 person gets more than one message" in warning["message"]
        assert "six seconds" in warning["message"]

    def test_national_variants_are_one_person(self) -> None:
        frame = pd.DataFrame({"phone": ["+5511961234567", "+5511961234567"], "text": ["same", "same"]})
        assert planned(frame, content=d7nb.Text("{text}")).summary["skipped"] == 1

    def test_the_user_s_own_key_decides_where_there_is_one(self) -> None:
        frame = pd.DataFrame({"phone": ["+12025550123", "+12025550124"], "order": ["7", "7"]})
        assert planned(frame, key="order").summary["skipped"] == 1
        assert planned(frame).summary["skipped"] == 0


class TestLists:
    FRAME = pd.DataFrame({"phone": numbers(3)})
    STOP = "001 201 555 0101"

    def test_every_form_of_a_list(self, tmp_path: Path) -> None:
        path = tmp_path / "stop.csv"
        path.write_text(f"number,since\n{self.STOP},2026\n", encoding="utf-8")
        frame = pd.DataFrame({"number": [self.STOP], "since": ["2026"]})
        for given, options in [
            ([self.STOP], {}),
            ({self.STOP}, {}),
            (pd.Series([self.STOP]), {}),
            (frame[["number"]], {}),
            (frame, {"column": "number"}),
            (str(path), {"column": "number"}),
            (path, {"column": "number"}),
            (lambda recipients: [number for number in recipients if number.endswith("0101")], {}),
        ]:
            assert skipped(planned(self.FRAME, OptOut(given, **options))) == [None, "opted out", None]

    def test_a_variant_on_the_list_stops_the_other(self) -> None:
        modern, legacy = "+5511961234567", "+551161234567"
        plan = planned(pd.DataFrame({"phone": [modern]}), OptOut([legacy]))
        assert skipped(plan) == ["opted out"]

    def test_entries_that_are_no_numbers_are_counted_aloud(self) -> None:
        plan = planned(self.FRAME, OptOut(["nobody", "", None, numbers(1)[0]]))
        (warning,) = plan.problems["message"]
        assert "1 entry of the opt-out list" in warning
        assert plan.summary["skipped"] == 1

    def test_an_empty_list_stops_nobody(self) -> None:
        assert planned(self.FRAME, OptOut([])).summary["ready"] == 3

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            (pd.DataFrame({"a": ["1"], "b": ["2"]}), "name the one with the numbers: column="),
            (42, "give a list, a series, a frame or a file of numbers, not a number"),
        ],
    )
    def test_what_is_no_list_is_told(self, given: Any, told: str) -> None:
        with pytest.raises(PluginError, match=told):
            OptOut(given)

    def test_a_column_that_is_not_there_is_told(self) -> None:
        with pytest.raises(PlanError, match="did you mean 'number'"):
            OptOut(pd.DataFrame({"number": ["1"], "b": ["2"]}), column="numbr")

    def test_allow_lets_only_the_listed_through(self) -> None:
        plan = planned(self.FRAME, Allow([self.STOP]))
        assert skipped(plan) == ["not on the list of allowed recipients", None, "not on the list of allowed recipients"]

    def test_a_function_s_numbers_are_read_with_the_country_too(self) -> None:
        plan = planned(self.FRAME, OptOut(lambda _: ["201 555 0101"], country="US"))
        assert skipped(plan) == [None, "opted out", None]

    @pytest.mark.parametrize("answered", [[0], ["nobody"], [True, False, True]], ids=repr)
    def test_a_function_that_answers_no_numbers_stops_the_plan(self, answered: list[Any]) -> None:
        with pytest.raises(FilterError, match="must return phone numbers; values that are not: "):
            planned(self.FRAME, OptOut(lambda _: answered))

    def test_two_lists_in_one_plan_have_names_of_their_own(self) -> None:
        plan = planned(self.FRAME, OptOut([numbers(1)[0]]), OptOut([self.STOP], name="complaints"))
        assert plan.rows["decided_by"].tolist()[:2] == ["opt-out", "complaints"]

    def test_one_number_is_no_list(self) -> None:
        with pytest.raises(PluginError, match="give numbers as a list"):
            OptOut(numbers(1)[0])

    def test_the_row_that_is_kept_of_duplicates_is_one_that_goes(self) -> None:
        frame = pd.DataFrame({"phone": [self.STOP] * 2, "agreed": ["no", "yes"]})
        assert planned(frame, Consent("agreed")).rows["verdict"].tolist() == ["skipped", "ready"]

    def test_a_failing_function_stops_the_plan(self) -> None:
        with pytest.raises(FilterError, match=r"'opt-out'.*ConnectionError"):
            planned(self.FRAME, OptOut(lambda recipients: (_ for _ in ()).throw(ConnectionError("down"))))


AGREED = [True, "yes", " Y ", 1, "1", 1.0]
NOT_AGREED = [False, "no", None, float("nan"), "", "maybe", 0]


@pytest.mark.parametrize(("cell", "goes"), [(c, True) for c in AGREED] + [(c, False) for c in NOT_AGREED], ids=repr)
def test_consent_must_be_given(cell: object, goes: bool) -> None:
    frame = pd.DataFrame({"phone": numbers(1), "agreed": pd.Series([cell], dtype="object")})
    plan = planned(frame, Consent("agreed"))
    assert (plan.summary["ready"] == 1) is goes
    assert skipped(plan) == [None if goes else "no consent in the column 'agreed'"]


def test_consent_without_its_column_stops_the_plan() -> None:
    with pytest.raises(FilterError, match=r"'consent'.*no column 'agreed'"):
        planned(pd.DataFrame({"phone": numbers(1)}), Consent("agreed"))


class TestServiceWindow:
    FRAME = pd.DataFrame(
        {
            "phone": numbers(5),
            "wrote": pd.Series(
                [
                    NOON - timedelta(hours=23, minutes=59),
                    NOON - timedelta(hours=24, minutes=1),
                    "2026-11-23T10:00:00+04:00",
                    "2026-11-23T10:00:00",
                    None,
                ],
                dtype="object",
            ),
        }
    )

    def test_free_form_goes_within_24_hours_of_a_known_time(self) -> None:
        plan = planned(self.FRAME, ServiceWindow("wrote", clock=Clock()))
        assert plan.rows["verdict"].tolist() == ["ready", "skipped", "ready", "skipped", "skipped"]
        assert "more than 24 hours old" in str(skipped(plan)[1])

    def test_templates_pass(self) -> None:
        plan = planned(self.FRAME, ServiceWindow("wrote", clock=Clock()), content=TEMPLATE)
        assert plan.summary["ready"] == 5

    def test_a_datetime_column_is_read_too(self) -> None:
        frame = pd.DataFrame({"phone": numbers(2), "wrote": pd.to_datetime([NOON, NOON - timedelta(days=2)])})
        assert planned(frame, ServiceWindow("wrote", clock=Clock())).summary["ready"] == 1

    def test_without_its_column_it_says_so_once(self) -> None:
        plan = planned(self.FRAME, ServiceWindow("last", clock=Clock()))
        assert plan.summary["ready"] == 5
        assert plan.problems["severity"].tolist() == ["warning"]
        assert "no column 'last'" in plan.problems["message"].iloc[0]


class TestQuietHours:
    DUBAI, NEW_YORK, SYDNEY = "+971501234567", "+12125550123", "+61491570006"

    @pytest.mark.parametrize(
        ("now", "start", "end", "quiet"),
        [
            ("2026-11-23T16:59:00+00:00", "21:00", "08:00", False),  # 20:59 in Dubai
            ("2026-11-23T17:00:00+00:00", "21:00", "08:00", True),
            ("2026-11-24T03:59:00+00:00", "21:00", "08:00", True),  # 07:59
            ("2026-11-24T04:00:00+00:00", "21:00", "08:00", False),
            ("2026-11-23T09:00:00+00:00", "13:00", "15:00", True),  # 13:00
            ("2026-11-23T11:00:00+00:00", "13:00", "15:00", False),
        ],
    )
    def test_the_recipient_s_own_clock_counts(self, now: str, start: str, end: str, quiet: bool) -> None:
        rule = QuietHours(start, end, clock=Clock(datetime.fromisoformat(now)))
        plan = planned(pd.DataFrame({"phone": [self.DUBAI]}), rule)
        assert (plan.summary["skipped"] == 1) is quiet
        if quiet:
            assert "in Asia/Dubai" in str(skipped(plan)[0])

    def test_each_in_their_own_zone(self) -> None:
        rule = QuietHours("21:00", "08:00", clock=Clock(datetime(2026, 11, 23, 15, tzinfo=UTC)))
        plan = planned(pd.DataFrame({"phone": [self.DUBAI, self.NEW_YORK, self.SYDNEY]}), rule)
        assert plan.rows["verdict"].tolist() == ["ready", "ready", "skipped"]

    def test_a_number_of_several_zones_must_be_allowed_in_all(self) -> None:
        from phonenumbers import parse
        from phonenumbers.timezone import time_zones_for_number

        number = "+18005550123"
        assert len(time_zones_for_number(parse(number))) > 1
        frame = pd.DataFrame({"phone": [number]})
        if planned(frame).summary["ready"]:
            rule = QuietHours("21:00", "08:00", clock=Clock(datetime(2026, 11, 23, 14, tzinfo=UTC)))  # 9 in New York
            assert planned(frame, rule).summary["skipped"] == 1

    def test_a_column_may_name_the_zone(self) -> None:
        frame = pd.DataFrame({"phone": [self.DUBAI] * 3, "text": list("abc"), "zone": ["Asia/Tokyo", "Nowhere", None]})
        rule = QuietHours(time(21), time(8), zone="zone", clock=Clock(datetime(2026, 11, 23, 14, tzinfo=UTC)))
        plan = planned(frame, rule, content=d7nb.Text("{text}"))
        unknown = "quiet hours: the recipient's time zone is not known"
        assert skipped(plan) == ["quiet hours from 21:00 to 08:00: it is 23:00 in Asia/Tokyo", unknown, unknown]

    def test_a_time_that_is_none_is_told(self) -> None:
        with pytest.raises(PluginError, match="'9pm' is not a time of day"):
            QuietHours("9pm", "08:00")


class TestCap:
    def test_so_many_for_each_value_of_a_column(self) -> None:
        frame = pd.DataFrame({"phone": numbers(5), "city": ["A", "A", "A", None, None]})
        plan = planned(frame, Cap(1, per="city"))
        told = "more than 1 message with the same city"
        assert skipped(plan) == [None, told, told, None, told]

    def test_so_many_a_day(self) -> None:
        plan = planned(pd.DataFrame({"phone": numbers(5)}), Cap(2, per="day", clock=Clock()))
        assert plan.rows["verdict"].tolist() == ["ready"] * 2 + ["skipped"] * 3
        assert skipped(plan)[4] == "over the cap of 2 per day; send it later"

    def test_what_went_is_counted_and_forgotten_after_the_period(self, sandbox: d7nb.Sandbox) -> None:
        clock = Clock()
        cap = Cap(3, per="hour", clock=clock)
        frame = pd.DataFrame({"phone": numbers(5)})
        first = planned(frame.head(2), cap)
        second = planned(frame.tail(3), cap)
        assert first.send(sandbox.client(), progress=False).summary["accepted"] == 2
        assert second.summary["ready"] == 3
        delivery = second.send(sandbox.client(), progress=False)
        assert (delivery.summary["accepted"], delivery.summary["skipped"]) == (1, 2)
        clock.now += timedelta(hours=1)
        assert planned(frame, cap).summary["ready"] == 3

    def test_a_negative_cap_is_told(self) -> None:
        with pytest.raises(PluginError, match="Cap: -1 is not a number of rows; give a whole number"):
            Cap(-1)
        with pytest.raises(PluginError, match="Cap: per='' is neither a column nor a period; use hour, day or week"):
            Cap(1, per="")

    def test_the_reason_names_the_recipient_in_words(self) -> None:
        rows = pd.DataFrame({"d7_recipient": numbers(1) * 3})
        assert Cap(2, per="d7_recipient").check(rows).tolist()[2] == "more than 2 messages to the same recipient"


class TestAtTheRequest:
    """A send may run for hours: what reads the clock is asked again."""

    def test_rows_that_the_clock_stops_on_the_way_are_skipped_and_say_why(self, sandbox: d7nb.Sandbox) -> None:
        clock = Clock(datetime(2026, 11, 23, 16, tzinfo=UTC))  # 20:00 in Dubai
        asked: list[int] = []

        class Watched(QuietHours):
            def check_at_request(self, rows: pd.DataFrame) -> pd.Series:
                asked.append(len(rows))
                if len(asked) == 2:
                    clock.now = datetime(2026, 11, 23, 18, tzinfo=UTC)  # 22:00
                return super().check_at_request(rows)

        frame = pd.DataFrame({"phone": [TestQuietHours.DUBAI] * 3, "text": list("abc")})
        plan = planned(frame, Watched("21:00", "08:00", clock=clock), content=d7nb.Text("{text}"))
        assert plan.summary["ready"] == 3
        delivery = plan.send(sandbox.client(batch_size=1, workers=1), progress=False)
        assert delivery.frame["d7_outcome"].tolist() == ["accepted", "skipped", "skipped"]
        assert asked == [1, 1, 1]
        assert set(delivery.frame["d7_decided_by"].dropna()) == {"quiet-hours"}
        assert "it is 22:00 in Asia/Dubai" in delivery.frame["d7_reason"].iloc[1]
        assert len(sandbox.messages) == 1

    def test_a_filter_that_fails_on_the_way_stops_the_send(self, sandbox: d7nb.Sandbox) -> None:
        class Failing(QuietHours):
            def check_at_request(self, rows: pd.DataFrame) -> pd.Series:
                raise OSError("no clock")

        rule = Failing("01:00", "01:01", clock=Clock())
        delivery = planned(pd.DataFrame({"phone": numbers(2)}), rule).send(sandbox.client(), progress=False)
        assert delivery.summary["unsent"] == 2
        assert "no clock" in delivery.frame["d7_reason"].iloc[0]
        assert sandbox.messages.empty

    def test_a_schedule_that_passes_meanwhile_stops_its_rows(self, sandbox: d7nb.Sandbox) -> None:
        clock = Clock()
        frame = pd.DataFrame({"phone": numbers(2)})
        plan = planned(frame, schedule=NOON + timedelta(minutes=10), clock=clock)
        assert plan.summary["ready"] == 2
        clock.now += timedelta(hours=1)
        delivery = plan.send(sandbox.client(), progress=False)
        assert delivery.summary["skipped"] == 2
        assert "is past" in delivery.frame["d7_reason"].iloc[0]

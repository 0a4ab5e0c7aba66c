"""What `check_numbers` makes of real columns: a table of awkward cells, and libphonenumber's parser as the judge."""

from __future__ import annotations

import functools
import json
import random
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import phonenumbers
import pytest
from hypothesis import Phase, given, settings, strategies as st
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    REGION_CODE_FOR_NON_GEO_ENTITY,
    PhoneNumberFormat,
    PhoneNumberType,
)

from d7nb.errors import PlanError
from d7nb.recipients import string_columns
from d7nb.recipients.check import check_numbers
from d7nb.recipients.codes import CODES
from d7nb.recipients.variants import family

US = "+12025550123"  # a number kept free for fiction, as are those below
AU = "+61491570006"
OTHER_FORM = {  # by hand, so that the rules are not their own judge
    "BR": lambda number: number[:5] + number[6:],
    "MX": lambda number: "+521" + number[3:],
    "AR": lambda number: "+54" + number[4:],
}


class Example(str):
    """One of libphonenumber's example numbers, in the forms that the table asks for."""

    __slots__ = ()

    @property
    def parsed(self) -> phonenumbers.PhoneNumber:
        return phonenumbers.parse(self)

    @property
    def digits(self) -> str:
        return self[1:]

    @property
    def nsn(self) -> str:
        return phonenumbers.national_significant_number(self.parsed)

    @property
    def national(self) -> str:
        return phonenumbers.format_number(self.parsed, PhoneNumberFormat.NATIONAL)

    @property
    def international(self) -> str:
        return phonenumbers.format_number(self.parsed, PhoneNumberFormat.INTERNATIONAL)

    @property
    def zeroed(self) -> Example:
        return Example(self[:-6] + "000000")

    @property
    def landline(self) -> Example:
        return example(phonenumbers.region_code_for_number(self.parsed) or "", PhoneNumberType.FIXED_LINE)

    @property
    def legacy(self) -> Example:
        return Example(OTHER_FORM[phonenumbers.region_code_for_number(self.parsed) or ""](self))


def e164(number: phonenumbers.PhoneNumber | None) -> str:
    assert number is not None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def example(region: str, kind: int = PhoneNumberType.MOBILE) -> Example:
    return Example(e164(phonenumbers.example_number_for_type(region, kind)))


COUNTRIES = ["AE", "AR", "BR", "DE", "EG", "FR", "GB", "IN", "IT", "MX", "NG", "RU"]
EXAMPLES = {region: example(region) for region in COUNTRIES}
NOWHERE = e164(phonenumbers.example_number_for_non_geo_entity(800))


def awkward() -> list[list[Any]]:
    """The table: cell, country, verdict, code, recipient; ``{AE}`` stands for an example number."""
    lines = (Path(__file__).parents[1] / "data" / "awkward_numbers.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        [entry.format(**EXAMPLES, NOWHERE=NOWHERE) if isinstance(entry, str) else entry for entry in row]
        for row in rows
    ]


def columns(rows: list[list[Any]]) -> tuple[pd.Series, pd.Series]:
    cells, countries, *_ = zip(*rows, strict=True)
    return pd.Series(cells, dtype=object), pd.Series(countries, dtype=object)


TABLE = awkward()


@pytest.mark.parametrize(
    ("cell", "country", "verdict", "code", "recipient"),
    TABLE,
    ids=[f"line {line}: {row[3]}" for line, row in enumerate(TABLE, 1)],
)
def test_awkward_cell(cell: object, country: str | None, verdict: str, code: str, recipient: str | None) -> None:
    [found] = check_numbers(pd.Series([cell], dtype=object), [country]).to_dict("records")
    assert (found["verdict"], found["code"]) == (verdict, code)
    assert found["recipient"] == recipient if recipient else pd.isna(found["recipient"])


def test_the_table_is_long_and_knows_every_code() -> None:
    assert len(TABLE) >= 120
    assert {code for _, _, _, code, _ in TABLE} == set(CODES) - {"released"}  # that is a person's word, not a finding
    assert all(CODES[code][0] == verdict for _, _, verdict, code, _ in TABLE)


def test_a_column_gives_what_its_cells_give_in_any_slice() -> None:
    """Longer than a slice; the same cells in each."""
    cells, countries = columns(TABLE * 500)
    found = check_numbers(cells, countries)
    _, _, _, codes, recipients = zip(*TABLE * 500, strict=True)
    pd.testing.assert_series_equal(found["code"].astype("str"), pd.Series(codes, name="code"))
    pd.testing.assert_series_equal(found["recipient"], pd.Series(recipients, name="recipient", dtype="str"))


def test_without_pyarrow_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, countries = columns(TABLE)
    with_arrow = check_numbers(cells, countries)
    monkeypatch.setattr(string_columns, "pa", None)
    with pd.option_context("mode.string_storage", "python"):
        without = check_numbers(cells, countries)
        assert without["recipient"].dtype == pd.StringDtype("python", na_value=np.nan)
        assert family(without["recipient"]).equals(family(with_arrow["recipient"]).astype(without["recipient"].dtype))
    for name in with_arrow:
        assert without[name].astype(object).equals(with_arrow[name].astype(object))


def test_messages_show_no_digits_of_the_number_and_say_all_that_was_done() -> None:
    cells, countries = columns(TABLE)
    found = check_numbers(cells, countries)
    assert not found["message"].astype(str).str.contains("[0-9]{3}").any()
    [two] = check_numbers(pd.Series(["\u200e00 1 202 555 0123"]))["message"]
    for sentence in (CODES["separators"][1], CODES["invisible"][1], CODES["idd"][1]):
        assert sentence in two


def test_codes_have_a_verdict_and_a_sentence_without_placeholders() -> None:
    for verdict, message in CODES.values():
        assert verdict in {"ok", "fixed", "ambiguous", "broken"}
        assert message
        assert "{" not in message
    assert [verdict for verdict, _ in CODES.values()] == sorted(
        (verdict for verdict, _ in CODES.values()), key=["ok", "fixed", "ambiguous", "broken"].index
    )


# ---------------------------------------------------------------------------------------------------------------------
# Columns of every kind


DIGITS = [12025550123, 61491570006]
TEXTS = ["+12025550123", None, "+61491570006", "0012025550123"]


@pytest.mark.parametrize(
    "dtype", ["str", "string", "string[python]", "string[pyarrow]", "large_string[pyarrow]", "category", object]
)
def test_text_columns(dtype: Any) -> None:
    cells = pd.Series(TEXTS, dtype=object).astype(dtype)
    before = cells.copy(deep=True)
    found = check_numbers(cells)
    assert found["recipient"].dtype == "str"
    assert found["recipient"].isna().tolist() == [False, True, False, False]
    assert found["code"].tolist() == ["ok", "missing", "ok", "idd"]
    pd.testing.assert_series_equal(cells, before)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64", "int64[pyarrow]", "category", object])
def test_whole_number_columns(dtype: Any) -> None:
    found = check_numbers(pd.Series(DIGITS).astype(dtype))
    assert found["recipient"].tolist() == [US, AU]
    assert (found["code"] == "plus_assumed").all()
    assert "'.0'" not in " ".join(found["message"])


@pytest.mark.parametrize("dtype", ["float64", "Float64", "double[pyarrow]", "category", object])
def test_decimal_number_columns(dtype: Any) -> None:
    cells = pd.Series([*map(float, DIGITS), float("nan"), 971561000000.0, 0.5, -1.0]).astype(dtype)
    found = check_numbers(cells)
    assert found["recipient"].tolist()[:2] == [US, AU]
    assert found["code"].tolist()[2:] == ["missing", "digits_probably_lost", "unreadable", "unreadable"]
    assert "'.0'" in found["message"].iloc[0]


def test_missing_whole_numbers_and_infinite_ones() -> None:
    assert check_numbers(pd.Series([12025550123, None], dtype="Int64"))["code"].tolist() == ["plus_assumed", "missing"]
    assert check_numbers(pd.Series([-12025550123, 10**17 + 1]))["code"].tolist() == ["unreadable", "too_long"]
    assert check_numbers(pd.Series([float("inf"), 1e300]))["verdict"].tolist() == ["broken", "broken"]


def test_small_floats_have_made_up_their_last_digits() -> None:
    found = check_numbers(pd.Series([12025550123.0, float("nan")], dtype="float32"))
    assert found["code"].tolist() == ["digits_lost", "missing"]


def test_objects_that_are_neither_text_nor_numbers() -> None:
    odd = [
        b"+12025550123",
        True,
        date(2026, 1, 2),
        ["+12025550123"],
        {"a": 1},
        1j,
        pd.Timestamp("2026-01-02"),
        object(),
    ]
    assert set(check_numbers(pd.Series(odd, dtype=object))["code"]) == {"unreadable"}
    assert set(check_numbers(pd.Series([True, False]))["code"]) == {"unreadable"}
    assert set(check_numbers(pd.Series(pd.to_datetime(["2026-01-02"])))["code"]) == {"unreadable"}
    assert set(check_numbers(pd.Series([None, pd.NA, pd.NaT, np.nan, Decimal("nan")], dtype=object))["code"]) == {
        "missing"
    }
    mixed = pd.Series([np.int64(12025550123), Decimal(12025550123), np.float64(12025550123), np.str_(US)], dtype=object)
    assert set(check_numbers(mixed)["recipient"]) == {US}


def test_half_a_character_and_a_novel_do_no_harm() -> None:
    found = check_numbers(pd.Series(["\ud800", US, "1 " * 100_000, "x" * 100_000], dtype=object))
    assert found["verdict"].tolist() == ["broken", "ok", "broken", "broken"]


def test_the_index_stays_whatever_it_is() -> None:
    for index in (["a", "a", "b", None], pd.MultiIndex.from_product([[1, 1], ["x", "y"]]), [3, 1, 3, 2]):
        cells = pd.Series(TEXTS, index=index)
        assert check_numbers(cells).index.equals(cells.index)
    part = pd.Series(TEXTS * 3)[::-2]
    assert check_numbers(part).index.equals(part.index)


@pytest.mark.parametrize("dtype", [object, "str", "int64", "float64", "category"])
def test_an_empty_column(dtype: Any) -> None:
    found = check_numbers(pd.Series([], dtype=dtype), country="AE")
    assert len(found) == 0
    assert list(found.columns) == ["recipient", "verdict", "code", "message", "country", "candidates"]
    assert found.dtypes.astype(str).tolist() == ["str", *["category"] * 4, "object"]


# ---------------------------------------------------------------------------------------------------------------------
# Countries


def test_the_country_of_a_number_is_its_own() -> None:
    cells = [US, AU, EXAMPLES["GB"], NOWHERE, "hello"]
    assert check_numbers(pd.Series(cells))["country"].tolist() == ["US", "AU", "GB", np.nan, np.nan]


def test_assumed_countries_can_be_counted() -> None:
    """The same digits are a valid number elsewhere too: only the count by country shows a wrong guess."""
    found = check_numbers(pd.Series(["12025550123", EXAMPLES["DE"].nsn, 61491570006]))
    guessed = found[found["code"] == "plus_assumed"]
    assert guessed["country"].value_counts().loc[lambda count: count > 0].to_dict() == {"US": 2, "AU": 1}


def test_a_column_of_countries_goes_by_position() -> None:
    index = ["x", "x", "y"]
    cells = pd.Series(["0491570006", "2025550123", "0701740605"], index=index)
    regions = ["AU", "US", "SE"]
    for countries in (regions, tuple(regions), pd.Series(regions, index=index), pd.Series(regions, index, "category")):
        assert check_numbers(cells, countries)["recipient"].tolist() == [AU, US, "+46701740605"]
    as_category = pd.Series(["AU", None, "SE"], index=index, dtype="category")
    assert check_numbers(cells, as_category)["code"].tolist() == ["national", "no_country", "national"]


def test_a_country_that_is_no_text() -> None:
    cells = pd.Series(["0491570006", US])
    assert check_numbers(cells, 61)["code"].tolist() == ["unknown_country", "ok"]  # type: ignore[arg-type]
    assert check_numbers(cells, float("nan"))["code"].tolist() == ["no_country", "ok"]  # type: ignore[arg-type]


@pytest.mark.parametrize("countries", [["AU"], pd.Series(["AU", "US"], index=[1, 0])])
def test_a_column_of_countries_that_does_not_fit(countries: Any) -> None:
    with pytest.raises(PlanError, match="pass one country, or one for each"):
        check_numbers(pd.Series(["0491570006", "2025550123"]), countries)


def test_valid_in_two_readings_gives_both() -> None:
    digits = EXAMPLES["DE"].nsn
    [found] = check_numbers(pd.Series([digits]), "DE").to_dict("records")
    assert found["candidates"] == [f"+{digits}", EXAMPLES["DE"]]
    assert pd.isna(found["recipient"])
    assert pd.isna(found["country"])


# ---------------------------------------------------------------------------------------------------------------------
# Variants


@pytest.mark.parametrize("region", OTHER_FORM)
def test_both_forms_of_a_number_give_the_same_candidates(region: str) -> None:
    modern = EXAMPLES[region]
    found = check_numbers(pd.Series([modern, modern.legacy]))
    assert found["verdict"].tolist() == ["ok", "ambiguous"]
    assert found["recipient"].tolist() == [modern, np.nan]
    assert found["country"].tolist() == [region, region]
    assert found["candidates"].tolist() == [[modern, modern.legacy]] * 2


def test_numbers_without_variants_have_no_candidates() -> None:
    cells = [
        US,
        AU,
        EXAMPLES["BR"].landline,
        example("BR", PhoneNumberType.TOLL_FREE),
        example("MX", PhoneNumberType.TOLL_FREE),
    ]
    found = check_numbers(pd.Series(cells))
    assert found["verdict"].eq("ok").all()
    assert found["candidates"].isna().all()


def test_family_golden_values() -> None:
    """Row identities are made of these: they must never change."""
    golden = {
        US: US,
        "+5511961234567": "+5511961234567",
        "+551161234567": "+5511961234567",
        "+551123456789": "+551123456789",  # a landline,
        "+5511923456789": "+5511923456789",  # and another person's mobile
        "+522221234567": "+522221234567",
        "+5212221234567": "+522221234567",
        "+5491123456789": "+5491123456789",
        "+541123456789": "+5491123456789",
        "+5412": "+5412",
        "": "",
    }
    cells = pd.Series([*golden, None], index=range(5, 5 + len(golden) + 1), name="to")
    found = family(cells)
    pd.testing.assert_series_equal(
        found, pd.Series([*golden.values(), None], index=cells.index, name="to", dtype="str")
    )


# ---------------------------------------------------------------------------------------------------------------------
# The parser as the judge


@functools.cache
def every_example() -> list[tuple[str, str]]:
    """Region and E.164 number for each kind of number of each region."""
    found = []
    for calling_code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            numbers = (
                [phonenumbers.example_number_for_non_geo_entity(calling_code)]
                if region == REGION_CODE_FOR_NON_GEO_ENTITY
                else [phonenumbers.example_number_for_type(region, kind) for kind in range(11)]
            )
            found += [(region, e164(number)) for number in numbers if number]
    return found


PREFIXES = ["", "", "", "", "0", "1", "8", "00", "90", "06", "15", "011"]


def edited(digits: str, chance: random.Random) -> str:
    """The same digits, often with some changed, dropped, inserted, or all of them new from some place on."""
    for _ in range(chance.choice([0, 0, 1, 1, 2, 4])):
        at, new = chance.randrange(len(digits)), chance.choice("0123456789")
        short = len(digits) < 4
        digits = {
            "change": digits[:at] + new + digits[at + 1 :],
            "drop": digits if short else digits[:at] + digits[at + 1 :],
            "insert": digits[:at] + new + digits[at:],
            "redraw": digits[:at] + "".join(chance.choice("0123456789") for _ in digits[at:]),
        }[chance.choice(["change", "drop", "insert", "redraw"])]
    return digits


def judged(text: str, region: str | None = None) -> tuple[str, bool]:
    """What the parser makes of a text, and whether that is valid."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return text, False
    return e164(number), phonenumbers.is_valid_number(number)


def only_whatsapp_knows(number: str) -> bool:
    """The two-form countries, written out here once more."""
    forms = {
        "BR": r"\+55[1-9]{2}[016-9][0-9]{7}",
        "MX": r"\+521[2-9][0-9]{9}",
        "AR": r"\+54[1-8][0-9]{9}",
    }
    modern = {
        "BR": number[:5] + "9" + number[5:],
        "MX": "+52" + number[4:],
        "AR": "+549" + number[3:],
    }
    mobile = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
    return any(
        re.fullmatch(shape, number) and phonenumbers.number_type(phonenumbers.parse(modern[region])) in mobile
        for region, shape in forms.items()
    )


def assert_as_judged(found: Any, number: str, *, valid: bool) -> None:
    if only_whatsapp_knows(number):
        assert found["verdict"] == "ambiguous"
        assert number in found["candidates"]
    elif valid:
        assert found["recipient"] == number
        assert found["verdict"] in {"ok", "fixed"}
        region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
        assert pd.isna(found["country"]) if region == REGION_CODE_FOR_NON_GEO_ENTITY else found["country"] == region
    else:
        assert found["verdict"] == "broken"
        assert pd.isna(found["recipient"])


def thorough(examples: int) -> settings:
    """Each example is a seed for many numbers: hypothesis is slow at drawing them one by one."""
    return settings(max_examples=examples, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])


@thorough(6)
@given(st.integers(0, 2**32))
def test_international_numbers_are_as_the_parser_says(seed: int) -> None:
    chance = random.Random(seed)
    texts = []
    for _, number in chance.choices(every_example(), k=1500):
        code = str(phonenumbers.parse(number).country_code)
        texts.append(f"+{edited(code + chance.choice(PREFIXES) + number[len(code) + 1 :], chance)}"[:16])
    found = check_numbers(pd.Series(texts, dtype="str")).to_dict("records")
    for text, row in zip(texts, found, strict=True):
        number, valid = judged("+" + text[1:].removeprefix("00"))
        assert_as_judged(row, number, valid=valid)
        assert row["verdict"] != "ok" or row["recipient"] == text
        assert row["verdict"] != "fixed" or row["recipient"] != text


@thorough(15)
@given(st.integers(0, 2**32))
def test_digits_with_a_country_are_as_the_parser_says(seed: int) -> None:
    chance = random.Random(seed)
    drawn = []
    for region in chance.sample(sorted(phonenumbers.SUPPORTED_REGIONS), k=4):
        for _, number in chance.choices([pair for pair in every_example() if pair[0] == region], k=200):
            nsn = phonenumbers.national_significant_number(phonenumbers.parse(number))
            code = number[1 : -len(nsn)]
            digits = chance.choice(PREFIXES) + chance.choice(["", "", "", code]) + chance.choice(["", "", "0"]) + nsn
            drawn.append((edited(digits, chance)[:15], region))
    texts, regions = map(list, zip(*drawn, strict=True))
    found = check_numbers(pd.Series(texts, dtype="str"), regions).to_dict("records")
    for text, region, row in zip(texts, regions, found, strict=True):
        if text.endswith("00000") and not text.startswith("0"):
            assert row["code"] == "digits_probably_lost"
            continue
        home, valid = judged(text, region)
        abroad, valid_abroad = "", False
        if re.fullmatch("[1-9][0-9]{6,}|00[1-9][0-9]*", text):
            abroad, valid_abroad = judged("+" + text.removeprefix("00"))
        valid_abroad |= only_whatsapp_knows(abroad)
        if valid_abroad and (valid or only_whatsapp_knows(home)) and home != abroad:
            assert (row["code"], row["candidates"]) == ("two_readings", [abroad, home])
        else:
            assert_as_judged(row, abroad if valid_abroad else home, valid=valid or valid_abroad)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=30), st.text("+0123456789 .-()/ext\u0661\u200e", max_size=22)), max_size=20))
def test_whatever_the_text_a_sure_number_is_valid(texts: list[str]) -> None:
    for country in (None, "AU", "US"):
        found = check_numbers(pd.Series(texts, dtype=object), country)
        for row in found[found["verdict"].isin(["ok", "fixed"])].to_dict("records"):
            assert judged(row["recipient"]) == (row["recipient"], True)
        assert found.loc[found["verdict"].isin(["ambiguous", "broken"]), "recipient"].isna().all()
        assert found["candidates"].notna()[found["verdict"] == "ambiguous"].all()


@thorough(10)
@given(st.integers(0, 2**32))
def test_family_is_one_for_all_candidates_and_itself(seed: int) -> None:
    chance = random.Random(seed)
    numbers = [EXAMPLES[chance.choice(list(OTHER_FORM))] for _ in range(200)]
    texts = pd.Series([f"+{edited(chance.choice([number, number.legacy])[1:], chance)}" for number in numbers])
    found = check_numbers(texts)
    first, second = map(pd.Series, zip(*found["candidates"].dropna(), strict=True))
    assert family(first).equals(first.astype("str"))
    assert family(second).equals(family(first))
    assert family(family(texts)).equals(family(texts))

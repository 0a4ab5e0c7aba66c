from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import logging
import pickle
import re
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, strategies as st

from d7nb.errors import TableError
from d7nb.tables.reader import read_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

openpyxl = pytest.importorskip("openpyxl")

# --- Nothing is changed on the way

LITERAL = ["NA", "N/A", "NULL", "Null", "nan", "NaN", "None", "<NA>", "#N/A", "true", "inf", "-", "0", "1e5"]
KEPT = ["+12025550123", "0061491570006", "007", "971561234567890123456", "12.50", " x ", "\u00a0y", "🎉 مرحبا", "'1"]


@pytest.mark.parametrize("cell", LITERAL + KEPT)
def test_a_cell_is_kept_as_it_is(cell: str) -> None:
    frame = read_table(io.StringIO(f"name,note\n{cell},\n"))
    assert frame["name"].to_list() == [cell]
    assert frame["note"].isna().all()
    assert [str(dtype) for dtype in frame.dtypes] == ["str", "str"]


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1e\x1f"), max_size=8)
TRICKY = st.sampled_from(
    ['"', '""', "a\nb", "a\r\nb", "\r", ";", ",", "\t", "|", " ", "sep=;", "\ufeff", "+1", "01", "NA"]
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS | TRICKY, min_size=width, max_size=width), min_size=1, max_size=6)
)
WRITERS: dict[str, Callable[[pd.DataFrame, io.StringIO, str], Any]] = {
    "csv": lambda frame, out, sep: csv.writer(out, delimiter=sep).writerows([frame.columns, *frame.to_numpy()]),
    "pandas": lambda frame, out, sep: frame.to_csv(out, sep=sep, index=False, lineterminator="\r\n"),
}


@given(
    rows=TABLES,
    sep=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    writer=st.sampled_from(list(WRITERS)),
)
@example(rows=[[" "], [""], ["x;y"]], sep=",", encoding="utf-8", writer="csv")
@example(rows=[["", ""], ["", "\n"]], sep=";", encoding="utf-16", writer="pandas")
def test_what_was_written_comes_back(rows: list[list[str]], sep: str, encoding: str, writer: str) -> None:
    frame = pd.DataFrame(rows, columns=[f"column{n}" for n in range(len(rows[0]))], dtype="str")
    out = io.StringIO(newline="")
    WRITERS[writer](frame, out, sep)
    back = read_table(io.BytesIO(out.getvalue().encode(encoding)))
    pd.testing.assert_frame_equal(back, frame.mask(frame == ""))
    assert back.attrs["d7nb"]["encoding"] == encoding
    assert back.attrs["d7nb"]["separator"] == (sep if len(rows[0]) > 1 else None)


def test_leading_blanks_survive_the_seams_of_the_parser() -> None:
    # pandas reads in pieces, and with skip_blank_lines=True loses the blanks that a piece ends in.
    cell = " " * 200 + "x"
    frame = read_table(io.BytesIO(("text,n\n" + f"{cell},1\n\n" * 4000).encode()))
    assert frame["text"].to_list() == [cell] * 4000


@pytest.mark.parametrize("kwargs", [{}, {"encoding": "utf-8"}])
def test_a_byte_order_mark_is_no_part_of_a_name(kwargs: dict[str, str]) -> None:
    for text in ('\ufeff"na,me",b\n1,2\n', '\ufeffsep=,\n"na,me",b\n1,2\n'):
        for source in (io.BytesIO(text.encode()), io.StringIO(text)):
            assert read_table(source, **kwargs).columns.to_list() == ["na,me", "b"]


def test_column_names_are_text() -> None:
    frame = read_table(io.BytesIO(b'\xef\xbb\xbf"name",2026,phone,phone,\nA,B,C,D,E\n'))
    assert frame.columns.to_list() == ["name", "2026", "phone", "phone.1", "Unnamed: 4"]


# --- Lines


def test_an_empty_line_is_no_row_and_a_line_of_separators_is_one() -> None:
    frame = read_table(io.StringIO("\n \na,b\n\n1,2\n  \n,\n\n3,4\n\n"))
    assert frame["a"].fillna("-").to_list() == ["1", "-", "3"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    frame = read_table(io.BytesIO(end.join(["a;b", "1;2", "", "3;4"]).encode()))
    assert frame.to_numpy().tolist() == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a,b\n1,2,3\n", 2),
        ("a,b\n1,2\n\n1,2,3\n", 4),
        ('a,b\n"x\ny\nz",2\n1,2,3\n', 5),
        ("sep=,\na,b\n1,2\n1,2,3\n", 4),
        ("\ufeffa,b\n" + "1,2\n" * 50_000 + "1,2,3\n", 50_002),
    ],
)
def test_a_line_with_too_many_cells_is_named(text: str, line: int) -> None:
    with pytest.raises(TableError, match=rf"^the buffer, line {line}: 3 cells, but the first line has 2\. Put quotes"):
        read_table(io.BytesIO(text.encode()))


def test_separators_too_many_are_no_cells() -> None:
    frame = read_table(io.StringIO("a,b\n1,2,\n3,4\n5,6,,\n"))
    assert frame.to_dict("list") == {"a": ["1", "3", "5"], "b": ["2", "4", "6"]}


def test_a_short_line_is_filled_and_said(caplog: pytest.LogCaptureFixture) -> None:
    frame = read_table(io.StringIO("a,b,c\n1,2,3\n4,5\n6\n"))
    assert frame.fillna("-").to_numpy().tolist() == [["1", "2", "3"], ["4", "5", "-"], ["6", "-", "-"]]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "the buffer: 2 lines have fewer cells than the first line (from line 3 on); missing cells count as empty."
    ]


@pytest.mark.parametrize("rest", ["x,1\ny,2\n", "x,1\n" * 40_000])
def test_a_quote_that_is_never_closed_is_named(rest: str) -> None:
    with pytest.raises(TableError, match=r"line 3: a quote opens a cell and none closes it"):
        read_table(io.StringIO(f'a,b\n0,0\n"{rest}'))
    assert len(read_table(io.StringIO(f'a,b\n0,0\n"{rest}'), quoting=csv.QUOTE_NONE)) == rest.count("\n") + 1


# --- Separators


@pytest.mark.parametrize(
    ("text", "separator", "columns"),
    [
        ("name;amount\nA;1,50\nB;2,75\n", ";", ["name", "amount"]),
        ("name;amount, AED\nA;1,50\nB;2,75\n", ";", ["name", "amount, AED"]),
        ("name,tags\nA,x;y\nB,u;v\n", ",", ["name", "tags"]),
        ("name\tnote\nA\tone, two; three | four\n", "\t", ["name", "note"]),
        ("name|note\nA|x, y\n", "|", ["name", "note"]),
        ('"na;me","no;te"\n"a;b","c;d"\n', ",", ["na;me", "no;te"]),
        ('name,note\nA,"x;y;z\n;;;;;\n"\n', ",", ["name", "note"]),
        ("a,b;c,d\n1,2;3,4\n1;2,3;4\n", ",", ["a", "b;c", "d"]),
        ("n,aa;b\n" + "1,2;3\n" * 11_000, ";", ["n,aa", "b"]),  # the look ahead ends before a semicolon
        ("sep=1;b\n1;2\n", ";", ["sep=1", "b"]),
        ("name,phone\n", ",", ["name", "phone"]),
        ("name\nAnna, Berta\nC;D\n", None, ["name"]),
        ("name", None, ["name"]),
    ],
)
def test_the_separator_is_found(text: str, separator: str | None, columns: list[str]) -> None:
    frame = read_table(io.StringIO(text))
    assert frame.attrs["d7nb"]["separator"] == separator
    assert frame.columns.to_list() == columns


def test_one_column_is_a_guess_where_lines_hold_separators(caplog: pytest.LogCaptureFixture) -> None:
    assert read_table(io.StringIO("text\nHi, Anna\n")).attrs["d7nb"]["guessed"]
    advice = "save the table in Excel as .xlsx, or pass sep= or skiprows="
    said = "took the text as opened, separator none and one column, for its first line holds none"
    assert caplog.records[-1].getMessage() == f"the buffer: {said} (if that is wrong: {advice})."
    assert not read_table(io.StringIO("text\nHi Anna\n")).attrs["d7nb"]["guessed"]


@pytest.mark.parametrize("kwargs", [{}, {"skiprows": 1}, {"sep": ";"}, {"delimiter": ";"}])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_declared_separator_is_obeyed(kwargs: dict[str, Any], encoding: str) -> None:
    frame = read_table(io.BytesIO("sep=;\r\na,x;b\r\n1,5;2\r\n".encode(encoding)), **kwargs)
    assert frame.to_dict("list") == {"a,x": ["1,5"], "b": ["2"]}


# --- Encodings


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"], ids=lambda encoding: encoding
)
@pytest.mark.parametrize("name", ["Zoë", "محمد", "Иван", "王小明", "🎉", "Anna"])
def test_unicode_is_found_and_certain(encoding: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "d7nb")
    frame = read_table(io.BytesIO(f"name,phone\n{name},+12025550123\n".encode(encoding)))
    assert frame["name"].to_list() == [name]
    assert frame.attrs["d7nb"] == {
        "source": "the buffer",
        "format": "csv",
        "encoding": encoding,
        "separator": ",",
        "guessed": False,
    }
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("d7nb", logging.INFO, f"the buffer: took encoding {encoding}, separator comma.")
    ]


NAMES = {
    "french": ("cp1252", "René Lefèvre,François Hélène,Anaïs Noël,Benoît Gérard,Agnès Côté"),
    "german": ("cp1252", "Jörg Müller,Jürgen Weiß,Käthe Schröder,Günther Kühn"),
    "spanish": ("cp1252", "José Muñoz,María Núñez,Ángel Pérez,Begoña Ibáñez"),
    "portuguese": ("cp1252", "João Conceição,Inês Gonçalves,Cátia Simões,Estêvão Leitão"),
    "norse": ("cp1252", "Åsa Sjöberg,Søren Kjær,Bjørn Håkon,Märta Åkesson"),
    "icelandic": ("cp1252", "Þórður Guðmundsson,Sigríður Ægisdóttir,Hafþór Jónsson"),
    "mixed western": ("cp1252", "René Lefèvre,Jürgen Weiß,José Muñoz,João Simões,Søren Åkesson"),
    "polish": ("cp1250", "Łukasz Wójcik,Małgorzata Dąbrowska,Grażyna Zając,Stanisław Gołąb"),
    "czech": ("cp1250", "Jiří Dvořák,Tomáš Novotný,Zdeněk Procházka,Božena Růžičková"),
    "hungarian": ("cp1250", "László Szőke,Erzsébet Tóth,Gergő Szűcs,Béla Fűrész"),
    "russian": ("cp1251", "Иван Смирнов,Ольга Кузнецова,Дмитрий Попов,Сергей Фёдоров"),
    "ukrainian": ("cp1251", "Олексій Шевченко,Наталія Бойко,Юрій Ткаченко,Євген Їжак"),
    "greek": ("cp1253", "Γιώργος Παπαδόπουλος,Μαρία Οικονόμου,Ελένη Γεωργίου"),
    "turkish": ("cp1254", "Ayşe Yılmaz,Çiğdem Öztürk,Uğur Aydın,Gülşen Kılıç"),
    "hebrew": ("cp1255", "דוד כהן,רחל לוי,משה מזרחי"),
    "arabic": ("cp1256", "محمد العلي,فاطمة الحسن,أحمد المنصوري,خديجة الهاشمي"),
    "latvian": ("cp1257", "Jānis Bērziņš,Pēteris Ozoliņš,Līga Zariņa"),
    "lithuanian": ("cp1257", "Žygimantas Šimkutė,Rūta Jonaitytė,Jūratė Žukauskaitė"),
    "vietnamese": ("cp1258", "Trâ\u0300n Thi\u0323 Hương,Lê Văn Dũng,Đo\u0303 Minh Đư\u0301c".replace("ũ", "u\u0303")),
}


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize(("page", "names"), NAMES.values(), ids=NAMES)
def test_the_code_page_is_found(page: str, names: str, upper: bool, caplog: pytest.LogCaptureFixture) -> None:
    people = (names.replace("ß", "ss").upper() if upper else names).split(",")
    text = "name;phone;note\n" + "".join(f"{name};+12025550123;“5 €” – it’s ok\n" for name in people)
    frame = read_table(io.BytesIO(text.encode(page)))
    assert frame["name"].to_list() == people
    assert frame["note"].unique().tolist() == ["“5 €” – it’s ok"]
    assert (frame.attrs["d7nb"]["encoding"], frame.attrs["d7nb"]["guessed"]) == (page, True)
    advice = "if names look wrong, save the table as CSV UTF-8, or pass encoding="
    said = f"took encoding {page}, which fits its words best ({advice}), separator semicolon."
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(logging.WARNING, f"the buffer: {said}")]


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("cp1250", ["José", "Łukasz Wójcik", "Grażyna Zając"]),
        ("cp1253", ["ΓΙΩΡΓΟΣ ΠΑΠΑΔΟΠΟΥΛΟΣ", "ΜΑΡΙΑ ΟΙΚΟΝΟΜΟΥ"]),  # in cp1251 these are Cyrillic letters
        ("cp1251", ["ИВАН СМИРНОВ", "ОЛЬГА КУЗНЕЦОВА"]),
    ],
)
def test_names_that_two_pages_could_have(page: str, names: list[str]) -> None:
    assert read_table(io.BytesIO("\n".join(["name", *names]).encode(page)))["name"].to_list() == names


def test_without_a_letter_to_go_by_it_is_western() -> None:
    frame = read_table(io.BytesIO("item,price\nà la carte,5 €\nJoe’s,6 £\n".encode("cp1252")))
    assert frame["price"].to_list() == ["5 €", "6 £"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_late_letter_counts(encoding: str) -> None:
    text = "name,phone\n" + "Anna,+12025550123\n" * 80_000 + "René,+12025550124\n"
    frame = read_table(io.BytesIO(text.encode(encoding)))
    assert frame["name"].iloc[-1] == "René"
    assert frame.attrs["d7nb"]["encoding"] == encoding


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gbk", ["王小明", "李娜", "张伟"]),
        ("shift_jis", ["山田太郎", "鈴木花子"]),
        ("euc_kr", ["김철수", "이영희"]),
        ("mac_roman", ["René Lefèvre", "José Muñoz"]),
        ("cp850", ["René Lefèvre", "Jörg Müller"]),
        ("koi8-r", ["Иван", "Ольга"]),
        ("iso8859-2", ["Paweł Wiśniewski", "Żaneta Ślęzak"]),
    ],
)
def test_an_encoding_out_of_reach_is_refused_and_may_be_named(encoding: str, names: list[str]) -> None:
    data = "\n".join(["name", *names]).encode(encoding)
    with pytest.raises(
        TableError, match="in no encoding that could be recognised: save it as CSV UTF-8, or give its enc"
    ):
        read_table(io.BytesIO(data))
    frame = read_table(io.BytesIO(data), encoding=encoding)
    assert frame["name"].to_list() == names
    assert frame.attrs["d7nb"]["guessed"] is False


def test_broken_utf8_is_named_and_may_be_replaced() -> None:
    data = "name\nRené\nZoë\nLefèvre\n".encode() + b"Ren\xe9\n"
    with pytest.raises(TableError, match=r"broken characters, 1 in all, the first in line 5: .* encoding_errors="):
        read_table(io.BytesIO(data))
    frame = read_table(io.BytesIO(data), encoding="utf-8", encoding_errors="replace")
    assert frame["name"].to_list() == ["René", "Zoë", "Lefèvre", "Ren\ufffd"]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-16"])
def test_an_encoding_that_does_not_fit_is_refused(encoding: str) -> None:
    data = b"name,phone\n" + b"Anna,1\n" * 30_000 + b"Ren\xe9,2\n"
    with pytest.raises(TableError, match=f"is not {encoding} throughout"):
        read_table(io.BytesIO(data), encoding=encoding)


def test_a_given_encoding_wins() -> None:
    frame = read_table(io.BytesIO("имя\nЖ\n".encode("cp1251")), encoding="cp1251")
    assert frame["имя"].to_list() == ["Ж"]


# --- Sources


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "secret folder" / "customers.csv"
    file.parent.mkdir()
    file.write_bytes("name;phone\r\nZoë;+12025550123\r\n".encode())
    return file


def test_paths_and_buffers_give_the_same(path: Path) -> None:
    frames = [read_table(path), read_table(str(path)), read_table(io.StringIO(path.read_text(encoding="utf-8")))]
    with path.open("rb") as binary, path.open(encoding="utf-8", newline="") as text:
        frames += [read_table(binary), read_table(text)]
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])
    assert [(frame.attrs["d7nb"]["source"], frame.attrs["d7nb"]["encoding"]) for frame in frames] == [
        ("customers.csv", "utf-8"),
        ("customers.csv", "utf-8"),
        ("the buffer", None),
        ("customers.csv", "utf-8"),
        ("customers.csv", None),
    ]


def test_a_buffer_is_read_from_where_it_stands() -> None:
    for buffer in (io.BytesIO(b"title\nname,phone\nA,1\n"), io.StringIO("title\nname,phone\nA,1\n")):
        buffer.readline()
        assert read_table(buffer).columns.to_list() == ["name", "phone"]
        assert not buffer.closed


def test_what_was_taken_holds_no_data_and_no_folder(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "d7nb")
    frame = read_table(path)
    assert pickle.loads(pickle.dumps(frame.attrs)) == frame.attrs
    assert "secret" not in str(frame.attrs) + caplog.text
    assert "Zo" not in str(frame.attrs) + caplog.text


def test_a_path_may_begin_at_home(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("USERPROFILE", str(path.parent))
    assert read_table("~/customers.csv")["name"].to_list() == ["Zoë"]


def test_a_missing_file_is_said_as_python_says_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.csv")


def test_a_folder_is_refused_by_its_name(path: Path) -> None:
    with pytest.raises(TableError, match=r"^secret folder is a folder: name one file in it"):
        read_table(path.parent)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\n \r\n\n", "is empty"),
        (b"\xef\xbb\xbf", "has no line to take the column names from"),
        (b"\xff\xfe\n\0", "has no line to take the column names from"),
        (b"%PDF-1.7\n...", r"is a PDF: save the table as CSV \(UTF-8\) or .xlsx"),
        (b"\x89PNG\r\n\x1a\n...", "is an image"),
        (b"\xff\xd8\xff\xe0...", "is an image"),
        (gzip.compress(b"a,b\n", mtime=0), r"is compressed \(gzip\)"),
        (b"\n<!DOCTYPE html><html>", "is a web page or XML"),
        (b"<html><table><tr><td>name", "is a web page or XML"),
        (np.random.default_rng(0).bytes(5000), "is not a text file"),
        (b"a,b\n1,\x002\n", "is not a text file"),
        (b"a,b\n1,\x0022\n", "is not a text file"),
        (b"x\0\n\0" + bytes(40), "is not a text file"),
        (b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20\0\0\0\x02", "is not a text file"),
        (OLE, "is in an old Office format: open it in Excel and save it as .xlsx"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "is protected by a password"),
        (b"PK\x03\x04 broken", "is damaged, or no Excel workbook"),
    ],
)
def test_what_is_no_table_is_refused_with_the_way_out(data: bytes, words: str) -> None:
    with pytest.raises(TableError, match=f"^the buffer {words}"):
        read_table(io.BytesIO(data))


def test_a_file_opened_as_the_wrong_text_is_refused(path: Path) -> None:
    with path.open(encoding="ascii") as text, pytest.raises(TableError, match=r"^customers.csv was opened as text"):
        read_table(text)


# --- Arguments for pandas

TITLED = "Customers\n\nname;phone;n\nNA;+12025550123;1\n\nB;-;2\n"


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"skiprows": 2}, [["NA", "+12025550123", "1"], ["B", "-", "2"]]),
        ({"skiprows": 2, "usecols": ["n", "name"]}, [["NA", "1"], ["B", "2"]]),
        ({"skiprows": 2, "nrows": 1}, [["NA", "+12025550123", "1"]]),
        ({"skiprows": 2, "na_values": "-"}, [["NA", "+12025550123", "1"], ["B", None, "2"]]),
        ({"skiprows": 2, "keep_default_na": True}, [[None, "+12025550123", "1"], ["B", "-", "2"]]),
        ({"skiprows": 2, "header": None, "nrows": 1}, [["name", "phone", "n"]]),
        ({"skiprows": 3, "names": ["a", "b", "c"]}, [["NA", "+12025550123", "1"], ["B", "-", "2"]]),
        ({"skiprows": [0, 1, 3], "sep": ";"}, [["B", "-", "2"]]),
        ({"header": 1, "sep": ";"}, [["NA", "+12025550123", "1"], ["B", "-", "2"]]),
        ({"skiprows": 2, "on_bad_lines": "skip"}, [["NA", "+12025550123", "1"], ["B", "-", "2"]]),
        ({"sep": "[;]", "skiprows": 2}, [["NA", "+12025550123", "1"], ["B", "-", "2"]]),
        ({"skiprows": 2, "dtype": str}, [["NA", "+12025550123", "1"], ["B", "-", "2"]]),
    ],
)
def test_arguments_reach_pandas(kwargs: dict[str, Any], expected: list[list[str]]) -> None:
    given_kwargs = dict(kwargs)
    frame = read_table(io.StringIO(TITLED), **kwargs)
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == expected
    assert kwargs == given_kwargs


@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n1,2\n1,2,3\n", "Expected 2 fields in line 3, saw 3"), ("a,b\n1,2,3\n4,5,6\n", "Length of header")],
)
def test_faults_that_only_pandas_sees_are_table_errors_too(text: str, words: str) -> None:
    with pytest.raises(TableError, match=f"^the buffer can't be split into cells: .*{words}"):
        read_table(io.StringIO(text), comment="#")


@pytest.mark.parametrize("argument", ["dtype", "converters", "parse_dates", "chunksize", "iterator"])
def test_arguments_against_the_promise_are_refused(argument: str) -> None:
    with pytest.raises(TableError, match=f"^{argument}= is not for read_table: "):
        read_table(io.StringIO("a,b\n1,2\n"), **{argument: {"a": int}})


def test_an_unknown_argument_is_said_as_pandas_says_it() -> None:
    with pytest.raises(TypeError, match="sheet_name"):
        read_table(io.StringIO("a,b\n1,2\n"), sheet_name="x")


# --- Excel


def workbook(*rows: list[object], **sheets: list[list[object]]) -> io.BytesIO:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    for title, more in sheets.items():
        sheet = book.create_sheet(title)
        for row in more:
            sheet.append(row)
    book.save(out)
    out.seek(0)
    return out


def with_part(part: str, change: Callable[[str], str]) -> io.BytesIO:
    """Change the XML of one part of a workbook by hand."""
    source, out = zipfile.ZipFile(workbook(["x", "y"], ["?", "z"])), io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            text = source.read(name).decode()
            target.writestr(name, change(text) if name.endswith(part) else text)
    out.seek(0)
    return out


def with_cell(xml: str) -> io.BytesIO:
    """Put one cell, as Excel stores it, below the heading."""
    return with_part("sheet1.xml", lambda text: re.sub('<c r="A2".*?</c>', xml, text))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        *((value, value) for value in LITERAL + KEPT if not value.startswith("#")),  # that, openpyxl writes as an error
        (971561234567, "971561234567"),
        (971561234567.0, "971561234567"),
        (971561234567890, "971561234567890"),
        (4111111111111111, "4111111111111111"),
        (1e22, "10000000000000000000000"),
        (25.5, "25.5"),
        (-0.05, "-0.05"),
        (1e-7, "0.0000001"),
        (1234567.891, "1234567.891"),
        (True, "TRUE"),
        (False, "FALSE"),
        (dt.date(2026, 11, 1), "2026-11-01"),
        (dt.datetime(2026, 11, 1), "2026-11-01"),  # noqa: DTZ001 - Excel knows no zones
        (dt.datetime(2026, 11, 1, 9, 30), "2026-11-01T09:30:00"),  # noqa: DTZ001
        (dt.time(9, 30), "09:30:00"),
    ],
    ids=repr,
)
def test_an_excel_cell_as_text(cell: object, text: str) -> None:
    frame = read_table(workbook(["x", cell], ["y", cell]))
    assert frame.columns.to_list() == ["x", text]
    assert frame[text].to_list() == [text]
    assert str(frame[text].dtype) == "str"


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ('<c r="A2"><v>971561234567</v></c>', "971561234567"),
        ('<c r="A2"><v>9.71561234567E+11</v></c>', "971561234567"),
        ('<c r="A2"><v>123456789012345678</v></c>', "123456789012345678"),
        ('<c r="A2"><f>1/0</f><v>7</v></c>', "7"),
        ('<c r="A2" t="str"><f>A1</f><v>007</v></c>', "007"),
        ('<c r="A2" t="inlineStr"><is><t>#N/A</t></is></c>', "#N/A"),
        ('<c r="A2" t="e"><v>#N/A</v></c>', None),
        ('<c r="A2" t="e"><f>1/0</f><v>#DIV/0!</v></c>', None),
        ('<c r="A2"><f>1+1</f></c>', None),
        ('<c r="A2" t="inlineStr"><is><t></t></is></c>', None),
    ],
)
def test_an_excel_cell_as_excel_stores_it(xml: str, text: str | None) -> None:
    frame = read_table(with_cell(xml), header=None)
    assert list(frame) == [0, 1]
    assert frame.fillna("missing").to_numpy().tolist()[1] == [text or "missing", "z"]


def test_a_numeric_excel_column_with_a_gap_stays_whole() -> None:
    frame = read_table(workbook(["phone", "n"], [971561234567, 1], [None, 2], [None, None], [971561234568, 3]))
    assert frame["phone"].fillna("-").to_list() == ["971561234567", "-", "-", "971561234568"]


@pytest.mark.parametrize("name", ["customers.csv", "customers.xlsx", "customers"])
def test_excel_is_known_by_its_content(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "d7nb")
    (tmp_path / name).write_bytes(workbook(["name"], ["NA"]).getvalue())
    frame = read_table(tmp_path / name)
    assert frame["name"].to_list() == ["NA"]
    assert frame.attrs["d7nb"] == {
        "source": name,
        "format": "excel",
        "encoding": None,
        "separator": None,
        "guessed": False,
    }
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.INFO, f"{name}: took the Excel sheet 'Sheet'.")
    ]


def test_one_sheet_is_taken_and_said(caplog: pytest.LogCaptureFixture) -> None:
    def book() -> io.BytesIO:
        return workbook(["a"], [1], more=[["b"], [2]])

    assert read_table(book()).to_dict("list") == {"a": ["1"]}
    advice = "for another, move it to the front, or pass sheet_name="
    assert caplog.records[-1].getMessage() == f"the buffer: took the Excel sheet 'Sheet', the first of 2 ({advice})."
    assert read_table(book(), sheet_name="more").to_dict("list") == {"b": ["2"]}
    assert read_table(book(), sheet_name=1).to_dict("list") == {"b": ["2"]}
    for sheets in (None, [0, 1]):
        with pytest.raises(TableError, match="sheet_name= must name one sheet"):
            read_table(book(), sheet_name=sheets)
    for absent in ("none", 2):
        with pytest.raises(TableError, match=f"^the buffer has no sheet {absent!r}, only: Sheet, more.$"):
            read_table(book(), sheet_name=absent)


def test_arguments_reach_pandas_for_excel_too() -> None:
    book = workbook(["title"], ["a", "b", "a"], [1, "-", 3], [4, 5, 6])
    frame = read_table(book, skiprows=1, usecols=[0, 1], nrows=1, na_values="-")
    assert frame.columns.to_list() == ["a", "b"]
    assert frame.fillna("?").to_numpy().tolist() == [["1", "?"]]


def test_a_sheet_without_rows() -> None:
    assert read_table(workbook(["a", "b"])).columns.to_list() == ["a", "b"]
    assert read_table(workbook()).empty


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.99])
def test_a_damaged_workbook_is_refused(keep: float) -> None:
    data = workbook(["a"], [1]).getvalue()
    with pytest.raises(TableError, match="is damaged, or no Excel workbook: open it in Excel and save it as"):
        read_table(io.BytesIO(data[: int(len(data) * keep)]))


def test_a_damaged_sheet_is_refused() -> None:
    with pytest.raises(TableError, match="is damaged, or no Excel workbook"):
        read_table(with_cell('<c r="A2"><v>1</w></c>'))


def test_what_openpyxl_does_not_know_is_no_warning() -> None:
    bare = '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>'
    assert read_table(with_part("styles.xml", lambda _: bare)).to_dict("list") == {"x": ["?"], "y": ["z"]}


def test_another_zip_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", "<document/>")
    with pytest.raises(TableError, match="no Excel workbook"):
        read_table(io.BytesIO(out.getvalue()))


def test_excel_without_openpyxl_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    book = workbook(["a"])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ImportError, match=r'pip install "d7nb\[excel\]"'):
        read_table(book)

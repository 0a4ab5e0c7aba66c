"""Guessing a text file's encoding: by its byte order mark, as UTF-8, or by the languages that fit its words."""

from __future__ import annotations

import io
import re
from itertools import islice

from d7nb.errors import TableError
from d7nb.hints import Hint, Option

_SAMPLE = 65_536

_BOMS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
}  # first, since the mark of UTF-16 begins with the same bytes
_BOMS |= {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
# Each code page with the letters of the languages it was made for. Where two fit a file equally well, the earlier
# wins, so the page with fewer letters is first. charset-normalizer was tried and gives "Lefčvre" for "Lefèvre": of 60
# tables of 40 place names it read 27 right in French, 25 in Spanish, 20 in Turkish, none in Hebrew; this reads all.
_CODE_PAGES = (
    (
        "cp1252",
        "[a-zàâæçéèêëîïôœùûüÿ] [a-zäöüß] [a-záéíñóúü] [a-záàâãçéêíóôúü]|õe [a-zåäöæøé] [a-zàèéìíòóù] [a-záäéëèïöü]",
    ),
    ("cp1255", "[א-ת][\u05b0-\u05c2\u200e\u200f]*"),
    ("cp1253", "[α-ωάέήίόύώϊϋΐ]"),
    ("cp1251", "[а-яѐ-џґ]"),
    ("cp1256", "[ء-يٹپچڈڑژکگںھہے]"),
    ("cp1254", "[a-zçğıöşüâî\u0307]"),
    ("cp1250", "[a-ząćęłńóśźż] [a-záčďéěíňóřšťúůýž] [a-záčďéíĺľňóôŕšťúýž] [a-záéíóöőúüű] [a-zăâîşţ] [a-zčćđšž]"),
    ("cp1257", "[a-zāčēģīķļņšūž] [a-ząčęėįšųūž] [a-zäõöüšž]"),
    ("cp1252", "[a-záðéíóúýþæö]"),  # Icelandic comes late: its ð, ý, þ are the Turkish ğ, ı, ş
    ("cp1258", "[a-zàáăâđèéêíóôơùúưý\u0300\u0301\u0303\u0309\u0323]"),
)
_WORD = re.compile(r"(?:[A-Za-z]|[^\x00-\x7f\s‘’‚“”„–—…€«»°·•®™¿¡ºª№´`ˆ˜]){2,}")
_ASCII, _HIGH = bytes(range(128)), bytes(range(128, 256))


def guess_encoding(name: str, data: bytes) -> tuple[str, bool]:
    r"""Find out a file's encoding.

    Args:
        name: The file's name, for the error.
        data: All of it.

    Returns:
        The encoding as Python calls it, and whether it is a guess.

    Raises:
        TableError: No encoding fits.

    Example:
        >>> guess_encoding("people.csv", "name\nŽofie".encode("utf-8-sig"))
        ('utf-8-sig', False)
    """
    for mark, encoding in _BOMS.items():
        if data.startswith(mark):
            return encoding, False
    if b"\0" in data[:_SAMPLE]:
        return _guess_byte_order(name, data), False
    try:
        data.decode()
    except UnicodeDecodeError as error:
        text = data.decode(errors="replace")
        broken = text.count("\ufffd")
        if len(text) - len(data.translate(None, _HIGH)) > 2 * broken:  # most of what is not ASCII is correct
            line = data.count(b"\n", 0, error.start) + 1
            fault = f"{name} is UTF-8 with broken characters, {broken} in all, the first in line {line}: mend them, or "
            advice = (Option("encoding", "utf-8"), " and ", Option("encoding_errors", "replace"), ".")
            raise TableError(Hint(fault, "give ", *advice)) from None
        return _guess_code_page(name, data), True
    return "utf-8", False


def _guess_byte_order(name: str, data: bytes) -> str:
    """Return the UTF-16 variant whose zero bytes of ASCII characters are where they should be."""
    even, odd = (data[parity:_SAMPLE:2].count(0) for parity in (0, 1))
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        is_text = False
    else:
        is_text = min(even, odd) * 10 <= max(even, odd) and any(end.encode(encoding) in data for end in "\r\n")
    if not is_text:
        raise TableError(f"{name} is not a text file: save the table as CSV (UTF-8) or .xlsx.")
    return encoding


def _guess_code_page(name: str, data: bytes) -> str:
    """Return the code page whose languages fit most of the words."""
    high = bytes(set(data.translate(None, _ASCII)))
    sample = b"".join(islice((line for line in io.BytesIO(data) if not line.isascii()), 2000))
    best, most, share = "", -1, 0.0
    for page, languages in _CODE_PAGES:
        try:
            high.decode(page)
        except UnicodeDecodeError:
            continue
        fits = re.compile("|".join(f"(?:{letters})+" for letters in languages.split())).fullmatch
        fitting = total = 0
        for word in set(_WORD.findall(sample.decode(page))):
            letter_count = sum(not letter.isascii() for letter in word)
            total += letter_count
            if (word.isupper() or word[1:] == word[1:].lower()) and fits(word.lower()):
                fitting += letter_count
        if fitting > most:
            best, most, share = page, fitting, fitting / total if total else 1.0
    if share < 0.8:  # 1 in tables of the languages above, below 0.7 in those of other encodings
        fault = f"{name} is in no encoding that could be recognised: save it as CSV UTF-8, or give its "
        raise TableError(Hint(fault, Option("encoding"), ', such as "cp1252" (Western), "mac_roman" or "gbk".'))
    return best

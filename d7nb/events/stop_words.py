"""The stop words: messages by which people opt out.

A stop word counts only as the whole message: "stop by at noon" is no opt-out. Words that mean other things in a
conversation, such as CANCEL and END, are not on the list of d7nb; a list of your own may have them.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

STOP_WORDS: tuple[str, ...] = (
    *("STOP", "STOP ALL", "STOP IT", "STOP PROMOTIONS", "STOP MESSAGES", "UNSUBSCRIBE", "OPT OUT", "QUIT"),
    *("إيقاف", "ايقاف", "توقف", "أوقف", "قف", "إلغاء", "إلغاء الاشتراك", "الغاء الاشتراك"),  # Arabic
    *("BAJA", "PARAR", "DARSE DE BAJA", "CANCELAR SUSCRIPCIÓN"),  # Spanish
    *("SAIR", "PARE", "DESCADASTRAR", "CANCELAR INSCRIÇÃO"),  # Portuguese; PARAR is Spanish, too
    *("ARRÊT", "ARRÊTER", "ARRÊTEZ", "DÉSABONNER", "DÉSABONNEMENT", "DÉSINSCRIRE"),  # French
    *("STOPP", "ABMELDEN", "ABBESTELLEN", "AUFHÖREN"),  # German
    *("FERMA", "BASTA", "CANCELLAMI", "DISISCRIVI"),  # Italian
    *("AFMELDEN", "UITSCHRIJVEN"),  # Dutch
    *("AVSLUTA", "AVREGISTRERA", "AVMELD", "AFMELD"),  # Swedish, Norwegian, Danish
    *("LOPETA", "PERU TILAUS"),  # Finnish
    *("WYPISZ", "REZYGNUJĘ", "ODHLÁSIT", "ODHLÁSIŤ"),  # Polish, Czech, Slovak
    *("DEZABONARE", "LEIRATKOZÁS", "ΔΙΑΚΟΠΗ"),  # Romanian, Hungarian, Greek
    *("СТОП", "ОТПИСАТЬСЯ", "ОТПИСКА", "ВІДПИСАТИСЯ"),  # Russian, Ukrainian
    *("DURDUR", "İPTAL", "RET"),  # Turkish
    *("לעצור", "הסר", "הסרה"),  # Hebrew
    *("توقف کن", "لغو اشتراک"),  # Persian
    *("रोकें", "बंद करें", "बंद करो", "स्टॉप"),  # Hindi
    *("بند کریں", "بند کرو", "روکیں", "سٹاپ"),  # Urdu
    *("বন্ধ করুন", "বন্ধ করো", "স্টপ"),  # Bengali
    *("BERHENTI", "HENTIKAN"),  # Indonesian, Malay
    *("ITIGIL", "HỦY ĐĂNG KÝ"),  # Filipino, Vietnamese
    *("退订", "退訂", "取消订阅", "取消訂閱", "停止"),  # Chinese
    *("配信停止", "ストップ"),  # Japanese
    *("수신거부", "중지"),  # Korean
    *("หยุด", "ยกเลิกการสมัคร"),  # Thai
)
"""Stop words in many languages; case and accents make no difference."""
_MAX_LENGTH = 60  # characters of a message that can be a stop word


def is_stop(text: str, words: Iterable[str] = STOP_WORDS) -> bool:
    """Return whether a message is an opt-out.

    Args:
        text: The whole message.
        words: The stop words; case, accents, spaces and punctuation make no difference.

    Example:
        >>> [is_stop(text) for text in ("Stop!", "arret", "توقّف", "please stop by at noon", "")]
        [True, True, True, False, False]
    """
    return len(text) <= _MAX_LENGTH and _fold(text) in _fold_all(tuple(words))


@lru_cache(maxsize=16)
def _fold_all(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_fold, words)) - {""}


def _fold(text: str) -> str:
    """Reduce a text to its letters, digits and vowel signs, without case and accents."""
    characters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(
        character
        for character in characters
        if not unicodedata.combining(character) and (character.isalnum() or unicodedata.category(character)[0] == "M")
    )

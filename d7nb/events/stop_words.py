"""The words by which people say that they want no more messages.

A word counts only when it is the whole message: "stop by at noon" asks for nothing. What means other things in a
conversation, such as CANCEL and END, is not among the words that come with d7nb; a list of one's own may have it.
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
"""Words in the languages of many customers; whether they are written large, or with accents, makes no difference."""
_LONGEST = 60


def is_stop(text: str, words: Iterable[str] = STOP_WORDS) -> bool:
    """Whether a message is a wish to get no more of them.

    Args:
        text: The whole message.
        words: What counts as such a wish; case, accents, spaces and punctuation make no difference.

    Example:
        >>> [is_stop(text) for text in ("Stop!", "arret", "توقّف", "please stop by at noon", "")]
        [True, True, True, False, False]
    """
    return len(text) <= _LONGEST and _fold(text) in _folded(tuple(words))


@lru_cache(maxsize=16)
def _folded(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_fold, words)) - {""}


def _fold(text: str) -> str:
    """What of a text makes a word: letters and their vowel signs, without accents."""
    signs = unicodedata.normalize("NFKD", text.casefold())
    return "".join(
        sign
        for sign in signs
        if not unicodedata.combining(sign) and (sign.isalnum() or unicodedata.category(sign)[0] == "M")
    )

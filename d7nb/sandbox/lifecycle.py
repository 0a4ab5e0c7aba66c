"""The life of a message: which status it has how long after it went out, and the scripts that give a number another.

All of it is invented, because nothing is documented: when a message is sent, delivered and read, that one which waits
for its time is `scheduled`, and how a reason is worded. The codes in front of the reasons are Meta's (d7-api.md section
8); whether D7 passes them on is not known.
"""

from __future__ import annotations

from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from d7nb.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds after a message went out, the status from then on, and its reason. Lower case, as in D7's sample of a report.
Stage = tuple[float, str, str | None]
Life = tuple[Stage, ...]
STATUS_LIFE: Life = (
    (0, "queued", None),
    (1, "sent", None),
    (2, "delivered", None),
    (4, "read", "Read by the user"),
)
SCHEDULED = "scheduled"
"""The status of a message whose time has not come, by analogy with D7's SMS (d7-api.md section 4)."""
WINDOW = timedelta(hours=24)
"""How long free-form messages may follow after a person wrote: Meta's rule."""


class Script(NamedTuple):
    """How a ready-made life differs from the sandbox's own."""

    before: str  # it ends before this status
    reason: str | None = None  # and fails when that would have come, for this reason
    templates: bool | None = None  # it holds for templates alone, or for all but them


SCRIPTS = {
    "never_delivered": Script("delivered"),
    "never_read": Script("read"),
    "not_on_whatsapp": Script("sent", "131026: Message undeliverable"),
    "window_closed": Script("sent", "131047: Re-engagement message", templates=False),
    # The two that follow concern marketing, and the sandbox takes every template for it, as its reports say.
    "opted_out": Script("sent", "131050: The user stopped marketing messages", templates=True),
    "blocked_by_cap": Script("sent", "131049: Withheld to keep the user engaged", templates=True),
}


class OwnLife(NamedTuple):
    """The life that a number has of its own, and for which of its messages."""

    life: Life
    templates: bool | None = None

    def holds_for(self, message_type: str) -> bool:
        """Whether a message of this type lives it."""
        return self.templates is None or self.templates == (message_type == "TEMPLATE")


_LIFE: TypeAdapter[list[Stage]] = TypeAdapter(
    Annotated[
        list[
            tuple[
                Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)],
                Annotated[str, Field(min_length=1)],
                str | None,
            ]
        ],
        Field(min_length=1),
    ]
)


def read_life(stages: object) -> Life:
    """The stages of a life in the order of their time.

    Raises:
        SandboxError: If they are no stages.
    """
    try:
        return tuple(sorted(_LIFE.validate_python(stages), key=lambda stage: stage[0]))
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"[{step}]" for step in first["loc"])
        raise SandboxError(
            f"life{where}: {first['msg']}. A life is one stage or more, each the seconds after a message went out, a "
            "status and a reason or None, such as [(0, 'queued', None), (3, 'failed', '131026: Message undeliverable')]"
        ) from None


def read_script(script: object, life: Life) -> OwnLife:
    """What a script makes of a life: a word of `SCRIPTS`, or stages.

    Raises:
        SandboxError: If it is neither, or nothing would be left of the life.
    """
    if not isinstance(script, str):
        return OwnLife(read_life(script))
    if script not in SCRIPTS:
        near = get_close_matches(script, SCRIPTS, n=1, cutoff=0.5)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise SandboxError(f"script {script!r} is not known: {guess}There are: {', '.join(SCRIPTS)}, or stages of life")
    own = _played(SCRIPTS[script], life)
    if not own.life:
        raise SandboxError(f"script {script!r} leaves nothing of a life that begins with {life[0][1]!r}: give stages")
    return own


def _played(script: Script, life: Life) -> OwnLife:
    """What a ready-made script makes of a life. A life that never comes to the script's status is lived to its end."""
    kept = next((place for place, stage in enumerate(life) if stage[1] == script.before), len(life))
    fails_at = life[min(kept, len(life) - 1)][0]
    end = () if script.reason is None else ((fails_at, "failed", script.reason),)
    return OwnLife((*life[:kept], *end), script.templates)


def status_at(age: timedelta, life: Sequence[Stage]) -> tuple[str, str | None]:
    """The status and reason of a message this long after it went out; before the first stage, that."""
    reached = [stage for stage in life if stage[0] <= age.total_seconds()]
    _, status, reason = (reached or life)[-1 if reached else 0]
    return status, reason

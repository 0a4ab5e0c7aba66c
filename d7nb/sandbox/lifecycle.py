"""The status of a message by the time since it was sent, and the scripts that give a number other statuses.

None of it is documented: the times of the statuses, `scheduled` for a message that waits for its time and the texts of
the reasons are the sandbox's own choice. The codes in the reasons are Meta's ("Cloud API error codes"); whether D7
passes them on is not documented.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from d7nb.errors import SandboxError
from d7nb.sandbox.options import unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds after a message was sent, its status from then on, and the reason. Lower case, as in D7's sample of a report.
Stage = tuple[float, str, str | None]
Life = tuple[Stage, ...]
STATUS_LIFE: Life = (
    (0, "queued", None),
    (1, "sent", None),
    (2, "delivered", None),
    (4, "read", "Read by the user"),
)
SCHEDULED = "scheduled"
"""The status of a message whose time has not come, as D7's page "Receive SMS Postback" has it for SMS."""
WINDOW = timedelta(hours=24)
"""The time after a person's message in which free-form messages may be sent (D7, "Whatsapp Conversation")."""


class Script(NamedTuple):
    """The difference between a ready-made life and the sandbox's usual one."""

    ends_before: str  # the first status that a message does not reach
    reason: str | None = None  # of the failure in place of that status; None: there is no failure
    templates: bool | None = None  # it holds for templates only (True), for all but templates (False), or for all


SCRIPTS = {
    "never_delivered": Script("delivered"),
    "never_read": Script("read"),
    "not_on_whatsapp": Script("sent", "131026: Message undeliverable"),
    "window_closed": Script("sent", "131047: Re-engagement message", templates=False),
    # The next two concern marketing, and the sandbox takes every template for it, as its reports say.
    "opted_out": Script("sent", "131050: The user stopped marketing messages", templates=True),
    "blocked_by_cap": Script("sent", "131049: Withheld to keep the user engaged", templates=True),
}


class ScriptedLife(NamedTuple):
    """The life that a script gives to the messages to a number, or to some of them."""

    life: Life
    templates: bool | None = None

    def applies_to(self, message_type: str) -> bool:
        """Return whether it holds for messages of a type."""
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


def parse_life(stages: object) -> Life:
    """Validate the stages of a life and sort them by time.

    Raises:
        SandboxError: The stages are malformed.
    """
    try:
        return tuple(sorted(_LIFE.validate_python(stages), key=lambda stage: stage[0]))
    except ValidationError as error:
        first = error.errors()[0]
        path = "".join(f"[{step}]" for step in first["loc"])
        raise SandboxError(
            f"life{path}: {first['msg']}. Give one stage or more, each the seconds after a message was sent, a status "
            "and a reason or None, such as [(0, 'queued', None), (3, 'failed', '131026: Message undeliverable')]"
        ) from None


def parse_script(script: object, life: Life) -> ScriptedLife:
    """Return the life that a script makes of the usual one.

    Args:
        script: A name of `SCRIPTS`, or stages.
        life: The usual life.

    Raises:
        SandboxError: The script is neither, or leaves no stage.
    """
    if not isinstance(script, str):
        return ScriptedLife(parse_life(script))
    if script not in SCRIPTS:
        raise unknown_name(f"there is no script {script!r}", script, [*SCRIPTS, "or a list of stages"])
    scripted = _apply(SCRIPTS[script], life)
    if not scripted.life:
        raise SandboxError(
            f"script {script!r} leaves no stage, because life= begins with {life[0][1]!r}: give a list of stages"
        )
    return scripted


def _apply(script: Script, life: Life) -> ScriptedLife:
    """Cut a life before the script's status; one that never reaches the status stays whole."""
    end = next((number for number, stage in enumerate(life) if stage[1] == script.ends_before), len(life))
    failed_at = life[min(end, len(life) - 1)][0]
    failure = () if script.reason is None else ((failed_at, "failed", script.reason),)
    return ScriptedLife((*life[:end], *failure), script.templates)


def status_at(age: timedelta, life: Sequence[Stage]) -> tuple[str, str | None]:
    """Return the status and reason of a message at an age; before the first stage, those of the first stage."""
    reached = [stage for stage in life if stage[0] <= age.total_seconds()]
    _, status, reason = (reached or life)[-1 if reached else 0]
    return status, reason

"""The options of one send, as `Plan.send` takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from d7nb.errors import ConfirmError, PlanError
from d7nb.hints import Hint, Option


@dataclass(frozen=True)
class SendOptions:
    """What a user asked of one send; the attributes are the arguments of `Plan.send`.

    Attributes:
        confirm: The number of rows that the user expects to be sent; None for any number.
        progress: Whether to show a progress bar.
        resend: Which rows are sent although the ledger speaks against it: None, ``"failed"``, ``"changed"``, True, or a
            boolean for each row.
        wait: Whether to return only when the send has ended.
        split: Whether a refused request is split to find the row at fault.
        canary: The number of rows to send first; None to send all at once.
        stop_if: The share of the canary's rows that may be rejected or unknown.

    Raises:
        PlanError: ``canary`` or ``stop_if`` is out of range.
        ConfirmError: Everything is to be sent again, and ``confirm`` is missing.

    Example:
        >>> SendOptions(resend=True)
        Traceback (most recent call last):
        ...
        d7nb.errors.ConfirmError: resend=True sends again to everybody: give the number of rows as confirm=
    """

    confirm: int | None = None
    progress: bool = True
    resend: Any = None
    wait: bool = True
    split: bool = True
    canary: int | None = None
    stop_if: float = 0.05

    def __post_init__(self) -> None:
        if (self.canary is not None and self.canary < 1) or not 0 <= self.stop_if <= 1:
            share = " a share from 0 to 1, such as 0.05 for 5 %"
            raise PlanError(Hint(Option("canary"), " must be 1 row or more, and ", Option("stop_if"), share))
        if self.resend is True and self.confirm is None:
            to_everybody = " sends again to everybody: give the number of rows as "
            raise ConfirmError(Hint(Option("resend", True), to_everybody, Option("confirm")))

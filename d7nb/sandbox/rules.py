"""The rules for send requests beyond their schema: registered numbers, parameters of templates, recipients."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d7nb.sandbox.options import as_list
from d7nb.sandbox.responses import parameter_count_mismatch, too_many_recipients, unknown_originators
from d7nb.sandbox.schema.request import PHONE_NUMBER, digits
from d7nb.sandbox.schema.templates import TemplateContent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.responses import Response

    from d7nb.sandbox.schema.request import SendRequest


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that a well-formed request is checked against. Only the originators are documented."""

    originators: frozenset[str] | None = None  # their digits; None: any number is registered
    templates: Mapping[str, int] | None = None  # parameters by template; others are not counted
    max_recipients: int | None = None  # in one request

    def refuse(self, send_request: SendRequest) -> Response | None:
        """Return the response to a request that breaks a rule, or None."""
        if self.max_recipients is not None and send_request.recipient_count > self.max_recipients:
            return too_many_recipients(self.max_recipients)
        originators = dict.fromkeys(message.originator for message in send_request.messages)
        if unknown := [originator for originator in originators if not self._is_registered(originator)]:
            return unknown_originators(unknown)
        return next(filter(None, (self._refuse_content(message.content) for message in send_request.messages)), None)

    def _is_registered(self, originator: str) -> bool:
        if not re.fullmatch(PHONE_NUMBER, originator):
            return False
        return self.originators is None or digits(originator) in self.originators

    def _refuse_content(self, content: object) -> Response | None:
        if not isinstance(content, TemplateContent):
            return None
        template = content.template
        expected = (self.templates or {}).get(template.template_id, template.parameter_count)
        if template.parameter_count == expected:
            return None
        return parameter_count_mismatch(template.template_id, expected, template.parameter_count)


def registered_digits(originators: Iterable[str] | None) -> frozenset[str] | None:
    """Return the digits of the registered numbers, which need not be phone numbers; None registers every number.

    Example:
        >>> registered_digits(" +12025550100")
        frozenset({'12025550100'})
    """
    if originators is None:
        return None
    return frozenset(digits(str(originator).strip()) for originator in as_list(originators))

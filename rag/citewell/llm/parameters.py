"""Parameters that some servers refuse, and what they are sent in their place.

Chat Completions is spoken in dialects: newer models of OpenAI refuse `max_tokens` and any temperature but 1,
older servers know neither `max_completion_tokens` nor `stream_options`, many have no structured output. What
a server refuses is found by its answer, once, and left out from then on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Adaptation:
    """Leaves a parameter out, or sends its value under another name.

    `names` are what a refusal calls the parameter, beside its own name; `any_refusal` suspects the parameter
    of every refusal that names none.
    """

    parameter: str
    instead: str | None = None
    names: tuple[str, ...] = ()
    any_refusal: bool = False


ADAPTATIONS = (
    Adaptation("max_tokens", "max_completion_tokens"),
    Adaptation("max_completion_tokens", "max_tokens"),
    Adaptation("temperature"),
    Adaptation("stream_options", names=("include_usage",)),
    Adaptation("response_format", names=("json_schema", "schema", "grammar", "structured"), any_refusal=True),
)


def find_adaptation(
    body: Body, blamed: str | None, said: str, tried: Collection[Adaptation] = ()
) -> Adaptation | None:
    """Return how to change a request that was refused, or None where nothing in it can be changed.

    Args:
        body: The request.
        blamed: The parameter that the error object names, if it names one.
        said: The text of the refusal.
        tried: Adaptations that the request has undergone already.
    """
    refused = {adaptation.parameter for adaptation in tried}
    sent = [a for a in ADAPTATIONS if a.parameter in body and a not in tried and a.instead not in refused]
    for adaptation in sent:
        if blamed and blamed.partition(".")[0] == adaptation.parameter:
            return adaptation
    for adaptation in sent:
        if any(_mentions(said, name) for name in (adaptation.parameter, *adaptation.names)):
            return adaptation
    return next((adaptation for adaptation in sent if adaptation.any_refusal), None)


def adapted(body: Body, adaptations: Iterable[Adaptation]) -> dict[str, object]:
    """Return the request with the adaptations applied to it."""
    changed = dict(body)
    for adaptation in adaptations:
        if adaptation.parameter in changed:
            value = changed.pop(adaptation.parameter)
            if adaptation.instead is not None:
                changed[adaptation.instead] = value
    return changed


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None

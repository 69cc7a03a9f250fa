"""What happens in a run, told as it happens: through the logger `geoseg`, so that whoever listens sees it.

An event is a word and facts with names. It is logged at the level `VERBOSE`, below what is shown to everybody; where
nobody listens it costs nothing. Knows nothing of scenes, blocks or maps.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

VERBOSE = 15
"""Level of events: between what everybody is shown (INFO) and what helps to find defects (DEBUG)."""

COMMAND_ID = secrets.token_hex(8)
"""16 hexadecimal digits that no other process has."""

EventKind = Literal["started", "plan", "block", "warning", "layer", "finished", "failed", "result"]

_BEGIN = time.monotonic()
_DIGITS = 3

log = logging.getLogger(__name__)
logging.addLevelName(VERBOSE, "VERBOSE")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    kind: EventKind
    """What."""

    facts: Mapping[str, object]
    """More of it, by name; what is not known is left out."""


class Told:
    """Tells events that have some facts in common."""

    def __init__(self, **common: object) -> None:
        self._common = common

    def also(self, **common: object) -> None:
        """Further facts that all later events have."""
        self._common |= common

    def __call__(self, kind: EventKind, **facts: object) -> None:
        """Tell an event; facts that are None are left out."""
        if log.isEnabledFor(VERBOSE):
            known = {key: value for key, value in (self._common | facts).items() if value is not None}
            log.log(VERBOSE, Event(kind, known))


def stamped(event: Event) -> dict[str, object]:
    """An event with the moment that is now: plain values, as JSON takes them."""
    return {
        "event": event.kind,
        "time": moment(datetime.now(UTC)),
        "seconds": round(time.monotonic() - _BEGIN, _DIGITS),
        "command_id": COMMAND_ID,
        **event.facts,
    }


def in_words(event: Event) -> str:
    """An event with the moment that is now, as key=value; values of several words are in quotes as in JSON."""
    known = {key: value for key, value in stamped(event).items() if key != "command_id"}
    return " ".join(f"{key}={_value(value)}" for key, value in known.items())


def moment(when: datetime) -> str:
    """A moment in UTC, to the millisecond: `2026-05-31T12:00:00.123Z`."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    """Seconds to the millisecond."""
    return {key: round(value, _DIGITS) for key, value in values.items()}


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    is_plain = bool(text) and text.isprintable() and not set(text) & set(' "=')
    return text if is_plain or not isinstance(value, str) else json.dumps(value, ensure_ascii=False)

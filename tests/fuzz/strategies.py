"""Files as strangers may hand them over: valid ones with damage and malice in a few places. Knows JSON alone."""

from __future__ import annotations

import copy
import json
import os
import resource
import signal
from contextlib import contextmanager

from hypothesis import strategies as st

from geoseg.errors import GeosegError

LONGEST_LINE = 2000

ODD_VALUES = (
    None, True, "", "x" * 100_000, "\x00", "\x1b[31m", "\u202egnp", "\ud800", "../../etc/passwd", "/dev/zero",
    "hf-hub:evil/model", "http://127.0.0.1:1/", "'; DROP TABLE x;--", '"><script>alert(1)</script>', "$\\frac{", "=1+1",
    0, -1, 1, 0.5, -0.0, 2**31, 2**63, 10**30, 1e308, -1e308, float("nan"), float("inf"), float("-inf"),
    [], {}, [[]], [None], {"": None}, [0] * 10_000, ["x"] * 300, {"a": {"b": {"c": []}}},
)  # fmt: skip
"""In place of any value of a document."""

ODD_BYTES = (
    b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b[2J", b"[" * 20_000, b'{"a":' * 5_000, b"9" * 5_000, b"NaN",
    b"Infinity", b"-1", b"1e999", b'"', b"'", b"]", b"}", b"\n", b": ", b"- ", b"&a ", b"*a", b"!!python/name:x ",
    b"<!ENTITY a 'b'>", b"&lt;", b"x" * 100_000, b"\xff" * 8, b"\x00" * 8, b"\x7f" + b"\xff" * 7,
)  # fmt: skip
"""To be put anywhere into a file."""


class Contents(bytes):
    """Of a file; long ones are shown in part."""

    __slots__ = ()

    def __repr__(self):
        return f"{self[:1000]!r} and {len(self) - 1000} more" if len(self) > 1000 else bytes.__repr__(self)

    def __getitem__(self, key):
        return bytes(self)[key]


@st.composite
def damaged(draw, valid):
    """Bytes of a valid file after one to four accidents: flipped bits, cuts, doubled parts, odd parts put in."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from((1, 1, 2, 7, 64, 5_000)))
        match draw(st.sampled_from(("flip", "cut", "double", "insert", "replace", "truncate"))):
            case "flip" if data:
                data[min(start, len(data) - 1)] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[start : start + length]
            case "double":
                data[start:start] = data[start : start + length]
            case "insert":
                data[start:start] = draw(st.sampled_from(ODD_BYTES))
            case "replace":
                odd = draw(st.sampled_from(ODD_BYTES))
                data[start : start + len(odd)] = odd
            case "truncate":
                del data[start:]
    return Contents(data)


@st.composite
def disturbed(draw, document):
    """A JSON document with one to four of its values or keys replaced, left out, doubled or new."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(changed))
        if not places:
            break
        parent, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(("replace", "replace", "replace", "leave out", "add"))):
            case "replace":
                parent[key] = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
            case "leave out":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(st.sampled_from(("", "pretrained", "__class__", "a" * 1000, "\x1b", "format")))] = 1
            case "add":
                parent.append(copy.deepcopy(parent[key]))
    return changed


def as_json(document):
    """A document as bytes, lone surrogates and numbers that are none included."""
    return Contents(json.dumps(document).encode("utf-8", "surrogatepass"))


def _places(document):
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(entries):
        yield document, key
        if isinstance(value, dict | list) and len(value) < 1000:
            yield from _places(value)


def given_or_refused(parse, *arguments, **keywords):
    """What a parser gives, or None where it says in one line why it gives nothing; all else fails the test."""
    try:
        return parse(*arguments, **keywords)
    except GeosegError as error:
        line = str(error)
        assert line
        assert len(line) <= LONGEST_LINE
        assert line.isprintable() or all(character.isprintable() or character in "\xa0\u3000" for character in line)
        return None


@contextmanager
def limited(*, mebibytes=1024, seconds=60):
    """Inside, this process gets only so much more memory, and is stopped where it hangs."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no path of the project
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, _too_long)
    resource.setrlimit(resource.RLIMIT_AS, (used + mebibytes * 2**20, before[1]))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _too_long(*_):
    raise AssertionError("it hangs")

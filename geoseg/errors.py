"""The errors geoseg raises on purpose.

    GeosegError
    ├─ ConfigError        a setting that cannot be: file, key, value, what is allowed
    ├─ SceneError         an unreadable raster, or bands, types or sizes that do not fit
    │  └─ GeorefError     a transform or a CRS that cannot be used
    ├─ GridError          an impossible window or lattice of tiles
    ├─ ModelError         an unknown or broken model package, or one that does not fit the scene
    ├─ LabelError         labels that do not fit the scene or the legend
    └─ OutputError        a target that exists, or that cannot be written

A message is one line: what was wrong, the value, the limit, what to do. The command line prints it
and exits with 1. Parts of it come from files of strangers, so what a terminal would act on is written out.
"""

import re

_LONGEST = 2000
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb\ufffe\uffff]"
)
"""Control characters, those that turn the direction of text, and what is no character."""


def has_hidden_characters(text: str) -> bool:
    """True where a text holds what a terminal or a page would act on instead of showing it, or what no XML can hold."""
    return _HIDDEN.search(text) is not None


def one_line(text: str, *, longest: int = _LONGEST) -> str:
    r"""A text as one line that shows all it holds.

    White space becomes single blanks, hidden characters are written out as in Python (`\x1b`).

    Args:
        text: any text.
        longest: characters at most; of a longer one the middle is left out.
    """
    if len(text) > 2 * longest:  # long before it is looked at
        text = text[:longest] + text[-longest:]
    line = _HIDDEN.sub(_written_out, " ".join(text.split()))
    if len(line) <= longest:
        return line
    kept = (longest - 5) // 2
    return f"{line[:kept]} ... {line[-kept:]}"


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - two digits


class GeosegError(Exception):
    """Anything that a user can mend; its text is one line of at most 2000 characters."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class ConfigError(GeosegError):
    """A setting that cannot be."""


class SceneError(GeosegError):
    """A scene that cannot be read as asked."""


class GeorefError(SceneError):
    """A transform or CRS that cannot be used."""


class GridError(GeosegError):
    """An impossible window or lattice of tiles."""


class ModelError(GeosegError):
    """A model package that is unknown, broken, or does not fit the scene."""


class LabelError(GeosegError):
    """Labels that do not fit the scene or the legend."""


class OutputError(GeosegError):
    """A target that exists already or cannot be written."""

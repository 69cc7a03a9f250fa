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
and exits with 1.
"""


class GeosegError(Exception):
    """Anything that a user can mend; its text is one line."""


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

"""The pixel rectangle. Pure integers: knows nothing of files, map coordinates or arrays."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg.errors import GridError


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """A rectangle of pixels, half-open, in the scene's pixel coordinates; it may leave the scene.

    Windows sort row-major.
    """

    row: int
    """First row, px; negative above the scene."""

    col: int
    """First column, px; negative left of the scene."""

    height: int
    """Rows, px, at least 1."""

    width: int
    """Columns, px, at least 1."""

    def __post_init__(self) -> None:
        if self.height <= 0 or self.width <= 0:
            raise GridError(f"a window needs a positive size, got {self.height} x {self.width} px")

    @classmethod
    def of_shape(cls, height: int, width: int) -> Window:
        """The whole scene of `height` x `width` px."""
        return cls(row=0, col=0, height=height, width=width)

    @classmethod
    def between(cls, top: int, bottom: int, left: int, right: int) -> Window:
        """The window of rows `top` to `bottom` and columns `left` to `right`, both ends half-open."""
        return cls(row=top, col=left, height=bottom - top, width=right - left)

    @property
    def bottom(self) -> int:
        """First row below the window."""
        return self.row + self.height

    @property
    def right(self) -> int:
        """First column right of the window."""
        return self.col + self.width

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), as an array that covers the window has it."""
        return self.height, self.width

    def intersect(self, other: Window) -> Window | None:
        """The pixels in both windows, or None where there are none."""
        top, left = max(self.row, other.row), max(self.col, other.col)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        if bottom <= top or right <= left:
            return None
        return Window.between(top, bottom, left, right)

    def slices_in(self, outer: Window) -> tuple[slice, slice]:
        """Index this window inside an array that covers `outer`.

        Raises:
            GridError: if this window is not wholly inside `outer`.
        """
        if self.intersect(outer) != self:
            raise GridError(f"{self} is not inside {outer}")
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.height), slice(col, col + self.width)

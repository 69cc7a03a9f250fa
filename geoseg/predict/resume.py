"""Which blocks of an earlier run still hold: those whose pixels of the scene are what they were.

Where the file system says that nothing changed, it is believed, as long as the files were quiet when it was asked; in
any doubt the pixels decide. So a copied or touched scene costs a reading, and an edited one the blocks that changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from geoseg.errors import SceneError
from geoseg.predict.journal import Journal, window_at
from geoseg.predict.task import BlockTask
from geoseg.raster.patch import SceneReader
from geoseg.raster.scene import Scene, SceneSource
from geoseg.raster.watch import Watch, is_quiet, state_of, watch_again
from geoseg.window import Window


@dataclass(frozen=True, slots=True)
class SceneState:
    """A scene's files at some moment, by the file system."""

    state: str | None
    """See `state_of`."""

    is_quiet: bool
    """See `geoseg.raster.watch.is_quiet`."""

    @classmethod
    def now(cls, source: SceneSource) -> Self:
        """At this moment."""
        state = state_of(source)
        return cls(state, state is not None and is_quiet(source))

    @property
    def stamp(self) -> str | None:
        """By which the same pixels are known; None where it would prove nothing."""
        return self.state if self.is_quiet else None

    def refuse_change(self, source: SceneSource) -> None:
        """See that the scene is as it was then.

        Raises:
            SceneError: if it was changed.
        """
        if state_of(source) != self.state:
            raise SceneError(
                f"{source.path}: was changed while it was mapped: run the same command again, it computes what changed"
            )


def drop_changed(journal: Journal, task: BlockTask, state: SceneState) -> int:
    """Drop the blocks of a journal that would be made in another way now.

    Args:
        journal: of the map.
        task: how its blocks are made.
        state: of the scene.

    Returns:
        How many.
    """
    doubtful = []
    for record in sorted(journal.kept.values(), key=lambda record: record.window):
        if record.lost and not task.tolerant:
            journal.drop(record.window)
        elif record.stamp is None or record.stamp != state.stamp:
            doubtful.append(record)
    if not doubtful:
        return 0
    before = len(journal.kept)
    with Scene(task.source) as scene:
        watch = Watch()
        seen = task.readable(scene, watch)
        for record in doubtful:
            windows = [window_at(place) for place in record.seen]
            watch.forget(min(window.row for window in windows))
            if _digest(seen, windows, watch) != record.digest:
                journal.drop(record.window)
            elif state.stamp is not None:
                journal.record(record.model_copy(update={"stamp": state.stamp}))
    return before - len(journal.kept)


def _digest(scene: SceneReader, windows: list[Window], watch: Watch) -> str | None:
    """Of the windows as they are now; None where they cannot be read."""
    try:
        return watch_again(scene, windows, watch)
    except SceneError:
        return None

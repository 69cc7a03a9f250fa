"""Running blocks: the only package that knows Dask.

One graph of `compute(block)` tasks, and one consumer that takes their results in block order. Threads of this
process by default; a cluster of local processes or any running Dask cluster where asked. Few results are in
flight at a time, so memory does not follow the number of blocks.
"""

from geoseg.schedule.run import run_blocks
from geoseg.schedule.threads import stream_blocks

__all__ = ["run_blocks", "stream_blocks"]

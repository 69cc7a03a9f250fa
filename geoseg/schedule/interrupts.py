"""Ctrl-C reaches every process of a terminal: workers leave it to the one that began them, which ends them in order."""

from __future__ import annotations

import signal
import threading

from distributed import Client, Worker, WorkerPlugin


class _Deaf(WorkerPlugin):
    name = "geoseg-deaf-to-interrupts"

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """Ignore Ctrl-C from now on; not where the worker is a thread of another program."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def leave_interrupts_to(client: Client) -> None:
    """Make the workers of a cluster on this machine ignore Ctrl-C, also those that are to come."""
    client.register_plugin(_Deaf())

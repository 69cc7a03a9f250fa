"""What a signal does while something learns, in processes of their own: libraries of other tests hear signals too."""

import subprocess
import sys
import threading

import pytest

from geoseg.training.stopping import stop_wish

ONE = """
import signal
from geoseg.training.stopping import stop_wish
before = signal.getsignal(signal.{name})
with stop_wish() as wish:
    assert not wish.asked
    signal.raise_signal(signal.{name})
    assert wish.asked
assert signal.getsignal(signal.{name}) is before
print("went on")
"""

TWO = """
import signal
from geoseg.training.stopping import stop_wish
with stop_wish():
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)  # a launcher passes on what the terminal has sent already
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print("stopped")
"""


def printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_is_a_wish_and_the_handlers_come_back(name):
    assert printed(ONE.format(name=name)) == "went on"


def test_a_second_ctrl_c_stops_at_once():
    assert printed(TWO) == "stopped"


def test_in_another_thread_there_is_nothing_to_hear():
    found = []

    def look():
        with stop_wish() as wish:
            found.append(wish.asked)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [False]

import signal
import threading

import pytest

from geoseg.training.stopping import stop_wish


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_wish_and_the_handlers_come_back(number):
    before = signal.getsignal(number)
    with stop_wish() as wish:
        assert not wish.asked
        signal.raise_signal(number)
        assert wish.asked
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_at_once():
    with stop_wish():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # a launcher passes on what the terminal has sent already
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_in_another_thread_there_is_nothing_to_hear():
    before, found = signal.getsignal(signal.SIGINT), []

    def look():
        with stop_wish() as wish:
            found.append((wish.asked, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [(False, True)]

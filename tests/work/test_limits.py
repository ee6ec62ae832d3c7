"""Starting processes without Ctrl-C being heard midway."""

import signal
import threading

import pytest

from assistant.work.processes import interrupts_held

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")


def test_an_interrupt_that_another_thread_takes_waits_for_the_end_as_well() -> None:
    """The mask is one thread's alone: the system hands the signal to any thread that does not hold it back."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
    go, taken = threading.Event(), threading.Event()

    def another() -> None:
        go.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        taken.set()

    thread = threading.Thread(target=another)
    thread.start()
    reached = False
    try:
        with pytest.raises(KeyboardInterrupt):
            with interrupts_held():
                go.set()
                taken.wait()
                thread.join()
                reached = True
            pytest.fail("the interrupt was lost")
    finally:
        signal.signal(signal.SIGINT, before)
    assert reached


def test_what_heard_ctrl_c_before_hears_it_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with interrupts_held():
        pass
    assert (signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == before

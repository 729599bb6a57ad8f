"""Ctrl-C before and around a command: it ends the process without a traceback, whatever is going on."""

import signal
import threading

_is_ours = threading.current_thread() is threading.main_thread()
_is_ours &= signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else the caller ignores it, or has a use
asked = threading.Event()
is_ending = threading.Event()  # the process ends by itself: nothing is left to interrupt


def _on_signal(*_: object) -> None:
    if not is_ending.is_set():
        asked.set()
        raise KeyboardInterrupt


def end_at_once() -> None:
    """While modules load: nothing is there yet that could say so."""
    if _is_ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt() -> None:
    """From then on it is an exception; `asked` tells that it came, where a library makes another error of it."""
    if _is_ours:
        signal.signal(signal.SIGINT, _on_signal)


def as_before() -> None:
    """Leave it to whoever imports the command line."""
    if _is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)


end_at_once()

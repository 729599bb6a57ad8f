"""Ctrl-C at a chosen place."""

# a program: python -c INTERRUPTED PIECES TIMES ARGUMENTS..., which is interrupted after so many pieces, so many times
INTERRUPTED = """
import signal, sys
from sweep.commands import run
from sweep.cli import main

left, times = int(sys.argv.pop(1)), int(sys.argv.pop(1))
plain = run._Counter.add

def add(counter, *done):
    global left
    plain(counter, *done)
    left -= 1
    if left == 0:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)

run._Counter.add = add
main()
"""

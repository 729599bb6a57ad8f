"""Ctrl-C at a chosen place."""

# a program: python -c INTERRUPTED PIECES TIMES ARGUMENTS..., which is interrupted after so many pieces, so many times
INTERRUPTED = """
import signal, sys
from sweep.commands import run
from sweep.cli import main

left, times = int(sys.argv.pop(1)), int(sys.argv.pop(1))
plain = run.execute

def execute(*given, observe, **known):
    def count(progress):
        global left
        observe(progress)
        left -= 1
        if left == 0:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return plain(*given, observe=count, **known)

run.execute = execute
main()
"""

"""Whether processes are gone that something was to end."""

import time
from pathlib import Path


def is_gone(pid: int) -> bool:
    """Whether a process has ended, or does so within a minute: one that was killed needs a moment."""
    for _ in range(600):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False

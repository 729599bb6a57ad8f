"""Compile the kernel, or find it compiled: `python -m sweep.training.native`."""

import logging
import sys
import time

import numpy as np

from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.training.native import NativeEngine

logging.disable(logging.WARNING)  # said here, with the time that it took
print("  kernel: compiling for this processor ...", end="", flush=True, file=sys.stderr)
started = time.perf_counter()
NativeEngine().train(Cohort(resolve({"epochs": 1}), np.arange(1, dtype=np.uint32)))
print(f" {time.perf_counter() - started:.0f} s", file=sys.stderr)

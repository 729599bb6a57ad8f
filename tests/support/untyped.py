"""The package without its types: pandas has no complete ones, so what is done with its tables cannot be checked."""

import importlib
from typing import Any

sweep: Any = importlib.import_module("sweep")

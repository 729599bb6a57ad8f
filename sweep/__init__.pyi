from sweep.api import *  # noqa: F403  (its __all__ says what)
from sweep.api import __all__ as __all__

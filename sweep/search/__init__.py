"""The study: which configurations to try next. The only package that knows Optuna."""

from sweep.search.importance import importances
from sweep.search.reading import StoredTrial, stored_trials
from sweep.search.study import Result, Search, Suggestion

__all__ = ["Result", "Search", "StoredTrial", "Suggestion", "importances", "stored_trials"]

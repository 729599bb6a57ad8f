"""What to try next: Optuna's study, and how many seeds each configuration gets. The only room that knows Optuna.

Trains nothing, and knows no table of results.
"""

"""Pure numbers: intervals, verdicts, tests, how many seeds, what matters. Knows no other room and no network.

An estimate travels with its interval, its count and its method. The rate estimated is P(learn): the probability that a
configuration learns its task, over seeds.
"""

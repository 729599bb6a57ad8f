"""A network: vocabulary, tasks, configurations, what a trained one answers, why one failed to learn.

Arrays over `model`, never an object for each run. Trains nothing and touches no disk.
"""

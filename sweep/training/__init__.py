"""How and where networks are trained: the engines native, fused and keras, threads of this machine, a Ray cluster.

Every engine means the same Keras training. Knows nothing of Optuna, pandas, YAML or a results folder.
"""

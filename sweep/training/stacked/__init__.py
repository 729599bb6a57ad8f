"""Any Keras model under all its seeds at once: stacked weights, one compiled program, in a process with JAX."""

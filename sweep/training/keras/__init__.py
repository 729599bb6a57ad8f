"""Real Keras on TensorFlow: the referee, saving and importing models, models of one's own."""

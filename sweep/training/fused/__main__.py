"""The process that trains cohorts of networks."""

from sweep.training.fused.trainer import Trainer
from sweep.training.serving import serve

if __name__ == "__main__":
    serve(Trainer)

"""The process that trains stacked models."""

from sweep.training.serving import serve
from sweep.training.stacked.work import Stacked

if __name__ == "__main__":
    serve(Stacked)

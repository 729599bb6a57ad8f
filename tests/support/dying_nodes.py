"""A Ray cluster of several nodes on this machine, two of which are killed while a sweep trains on them.

Usage: python dying_nodes.py EXPERIMENT RESULTS
"""

import os
import secrets
import sys
from typing import Any

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}

import ray.cluster_utils

import sweep
from sweep.commands.run import Progress

settings: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 80 * 2**20}


def main() -> None:
    """Run the sweep; when a quarter of it is done kill a node and add one, and at half once more."""
    cluster = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **settings})
    nodes = [cluster.add_node(num_cpus=1, **settings) for _ in range(2)]
    killed_at: list[int] = []

    def observe(progress: Progress) -> None:
        if (
            progress.stage == "train"
            and len(killed_at) < 2
            and 4 * progress.n_done > progress.n_runs * (1 + len(killed_at))
        ):
            cluster.remove_node(nodes.pop(0), allow_graceful=False)
            nodes.append(cluster.add_node(num_cpus=1, **settings))
            killed_at.append(progress.n_done)

    try:
        sweep.run(sys.argv[1], sys.argv[2], ray=str(cluster.address), observe=observe)
    finally:
        cluster.shutdown()
    print("nodes killed when so many runs were done:", *killed_at)


if __name__ == "__main__":
    main()

"""CPU and memory of bandit estimates with bootstrap: `python -m tests.benchmarks.offline`.

IPS, SNIPS and DR of one target policy with 1,000 replicates over 1,000,000 rounds of 10 actions,
from arrays in memory: the sample is checked, counts are drawn once, each estimate gets its
interval. Prints JSON: seconds of CPU by part, and the peak of resident memory, arrays included.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports numpy

import argparse
import json
import resource
import sys
import time
from typing import Any

import numpy as np

from rlrec.evaluation.offline.bandit import DR, IPS, SNIPS
from rlrec.evaluation.offline.bandit_sample import BanditSample
from rlrec.evaluation.offline.intervals import bootstrap_interval
from rlrec.evaluation.offline.resampling import Resamples


def rounds(n_rounds: int, n_actions: int) -> dict[str, Any]:
    """Return arrays of a log, made without temporary arrays of its size."""
    rng = np.random.default_rng(0)
    logging = rng.random((n_rounds, n_actions))
    logging += 0.2
    logging /= logging.sum(axis=1, keepdims=True)
    target = rng.random((n_rounds, n_actions))
    target += 0.2
    target /= target.sum(axis=1, keepdims=True)
    drawn = rng.random(n_rounds)
    actions, passed = np.zeros(n_rounds, np.int64), np.zeros(n_rounds)
    for action in range(n_actions - 1):
        passed += logging[:, action]
        actions += drawn > passed
    propensities = np.take_along_axis(logging, actions[:, None], axis=1)[:, 0]
    del logging
    return {
        "rewards": rng.integers(2, size=n_rounds).astype(np.float64),
        "propensities": propensities,
        "target_probs": np.take_along_axis(target, actions[:, None], axis=1)[:, 0],
        "actions": actions,
        "target_distribution": target,
        "q_hat": rng.random((n_rounds, n_actions)),
    }


def measure(n_rounds: int, n_actions: int, n_replicates: int) -> dict[str, Any]:
    """Return seconds of CPU by part, the peak of memory, and the estimates."""
    arrays = rounds(n_rounds, n_actions)
    clock = time.process_time
    began = clock()
    sample = BanditSample(**arrays)
    seconds = {"checks": clock() - began}
    began = clock()
    resamples = Resamples(None, n_rounds, n_replicates)
    seconds["counts"] = clock() - began
    estimates = {}
    for estimator in (IPS(), SNIPS(), DR()):
        began = clock()
        terms = estimator.terms(sample)
        interval = bootstrap_interval(terms, resamples)
        seconds[estimator.name] = clock() - began
        estimates[estimator.name] = [terms.value, *interval]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "rounds": n_rounds,
        "actions": n_actions,
        "replicates": n_replicates,
        "cpu_seconds": seconds,
        "cpu_seconds_together": sum(seconds.values()),
        "peak_megabytes": peak / (1 << 20 if sys.platform == "darwin" else 1 << 10),
        "estimates": estimates,
    }


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--actions", type=int, default=10)
    parser.add_argument("--replicates", type=int, default=1_000)
    given = parser.parse_args()
    print(json.dumps(measure(given.rounds, given.actions, given.replicates), indent=2))


if __name__ == "__main__":
    main()

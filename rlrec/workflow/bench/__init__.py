"""`rlrec bench`: agents and baselines on the same tasks, over seeds, in one table."""

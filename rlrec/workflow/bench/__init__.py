"""The benchmark: six tasks, every agent, several seeds, one table that anyone can recompute."""

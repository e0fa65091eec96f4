"""Agents that learn from a log of another policy first: imitation, values, policy gradients."""

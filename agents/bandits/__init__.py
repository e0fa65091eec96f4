"""Bandits: agents that learn what each item brings at once, and how sure they are of it."""

"""Agents that act by vectors, which are decoded to slates."""

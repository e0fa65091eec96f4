"""Agents that learn from slates they drew just now, held close to what they imitated."""

"""Users learned from slates: how they choose, drift, have enough, leave and come back."""

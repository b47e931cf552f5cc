"""Faults of every kind at three hosts behind one running gateway, and what its clients get."""

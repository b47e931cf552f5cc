"""Who may and who should answer: pure functions that return reasons, except health."""

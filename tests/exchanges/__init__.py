"""What each host of the catalogue answers, in its own manner, and what a client makes of it."""

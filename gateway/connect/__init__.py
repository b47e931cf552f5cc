"""What the clients of this gateway need, as data, and how it gets into their files."""

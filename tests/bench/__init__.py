"""What the benchmark itself is built of."""

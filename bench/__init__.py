"""What passing through costs: CPU for each call and each streamed chunk, as ratios to a floor."""

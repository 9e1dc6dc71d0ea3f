"""What is true now: the latest row per key, recent windows, late rows, and the checkpoints that belong to them."""

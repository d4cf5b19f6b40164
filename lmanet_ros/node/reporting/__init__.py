"""What is counted, and what the diagnostics make of it."""

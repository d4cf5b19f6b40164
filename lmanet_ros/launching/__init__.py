"""What the launch files are made of."""

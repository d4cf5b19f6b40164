"""What a network is, without running it: its settings, its classes, the images that it takes."""

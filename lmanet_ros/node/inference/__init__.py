"""What runs the network: a mailbox, a thread that empties it, and a video for each camera."""

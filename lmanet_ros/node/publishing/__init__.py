"""What is published: pictures for each frame, and what their values mean."""

"""Recordings: rosbag2 written, and read as far as they can be."""

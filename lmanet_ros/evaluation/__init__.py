"""The node on a recording: played to it, its answers recorded, scored and reported."""

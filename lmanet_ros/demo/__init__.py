"""`python -m lmanet_ros.demo`: the real node on a video, recorded, scored and pictured."""

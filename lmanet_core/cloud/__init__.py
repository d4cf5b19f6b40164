"""Labels in space: points that know their class, of a depth image or a lidar.

In the order of a frame's way: `camera_model` (rays of pixels), `depth` and `lidar` (points with the
label of their pixel), `points` (what a point is), `voxels` (fewer points), `selection` (those of
some classes), `transform`. `judging` compares labels with the scene's own, by distance, and `above`
draws them from above.

Coordinates are those of a camera's optical frame, as ROS has it: x right, y down, z forward, in
metres. The centres of an image's pixels lie at whole coordinates.
"""

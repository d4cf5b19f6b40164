"""ROS 2 nodes around lmanet_core: messages in, messages out."""

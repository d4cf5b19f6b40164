"""The node that gives points their class; a frame's way through it, in order.

`inputs`: messages come in. `matching`: labels find the range that was measured with them.
`projection`: both become points. `outputs`: points are published for those who listen.
`problems`: what is wrong with what comes in, told once. `transforms`: between frames.
`semantic_cloud` holds them together, as a managed node with its `parameters`.
"""

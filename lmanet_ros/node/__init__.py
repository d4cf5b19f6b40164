"""The segmentation node; its folders are the way of an image through it, in order.

`arrival`: a message is taken in or refused. `inference`: from the mailbox to the network and
back. `publishing`: the pictures and what they mean. `reporting`: what became of the frames.
`segmentation` holds them together, as a `managed_node`: `parameters` as they change, a `pipeline`
while configured.
"""

"""Names of the topics that the demo records and reads back."""

IMAGE = "/image"
GROUND_TRUTH = "/ground_truth"
DEPTH = "/depth"
CAMERA_INFO = "/camera_info"
POSE = "/pose"
LABELS = "/segmentation_node/labels"
CONFIDENCE = "/segmentation_node/confidence"
COLOR = "/segmentation_node/color"
OVERLAY = "/segmentation_node/overlay"
OUTPUTS = (LABELS, CONFIDENCE, COLOR, OVERLAY)
DIAGNOSTICS = "/diagnostics"

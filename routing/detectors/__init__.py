"""What in a prompt is personal or secret: detectors that can only raise a request's label."""

"""Other gateways' configs turned into ours; what their words mean is in ``names.yaml``."""

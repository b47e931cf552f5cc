"""The formats in which clients and hosts speak: one folder a wire, codecs without I/O."""

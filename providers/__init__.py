"""What a host of language models is and how to talk to one.

Knows no users, keys of ours, or money. Nothing here imports from billing, routing or gateway.
"""

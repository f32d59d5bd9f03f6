"""What is asked of a trained network. Every reported number is computed in fp32.

SA and RA are in `accuracy`, `probes` lists the others. Imports nothing, because a plan reads `passes`, which needs no
torch.
"""

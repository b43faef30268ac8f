"""The bridge: a process of the user's that runs the ProxyCommand of their ssh config for the lab's tunnel.

It listens in a folder that the tunnel's container alone mounts, and lives as long as the lab.
"""

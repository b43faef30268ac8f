"""Keeps one SSH connection to the cluster's driver. Standard library only, Python 3.8: it runs in the tunnel container.

The folder is copied into the image as the package `tunnel`, so its modules import one another relatively.
"""

"""Copies files between the lab's notebooks and the driver: with rsync where both have it, else over SFTP."""

"""Pure functions that read the files of an installation, named after them; what is broken comes back as a value.

Their text is decoded already, on the host (sent/files.py).
"""

"""What is installed on a host: what runs there (sent/), the parsers of the files that it reads, and the model.

sent/ holds programs that run on the host itself: program.py bundles one with its imports into a single script and
sends it on stdin to a Python of the host, which answers on stdout. Nothing is installed or written there. wire.py is
the form of the answer; assemble.py makes an Inventory of it.
"""

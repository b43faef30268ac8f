"""What is installed on a host: the collector, the parsers of the files that it reads, and the model.

The collector runs on the host. It lies in sent/, as every program does that dbmirror sends somewhere:

- sent_programs.py bundles a program of sent/ with its imports into one script, and sends that on stdin to a Python of
  the host. The program answers on stdout. Nothing is installed or written there.
- collector_answer.py is the form of the answer. assemble.py makes an Inventory of it.
"""

"""IPython in the lab: modules that were edited are loaded anew before each cell."""

c = get_config()  # noqa: F821 - traitlets gives it to configuration files
c.InteractiveShellApp.extensions = ["autoreload"]
c.InteractiveShellApp.exec_lines = ["%autoreload 2"]

"""Pure functions that read the files of an installation, named after them; what is broken comes back as a value."""

"""Where the filters' rules really differ between Python and R: one module each."""

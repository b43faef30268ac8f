"""The rules of the DCS contract by their numbers, one small function each, over facts that were gathered before."""

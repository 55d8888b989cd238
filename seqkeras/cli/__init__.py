"""The command line: the part of the package that knows the mathematics, the data and the way out."""

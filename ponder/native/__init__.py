"""C++ of this package: compiled for the machine on first use, and the vectors and products that it is made of."""

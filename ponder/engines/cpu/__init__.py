"""A decode step in C++, compiled for the machine it runs on."""

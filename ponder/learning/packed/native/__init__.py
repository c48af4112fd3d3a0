"""Passes of a training step in C++, compiled for the machine they run on."""

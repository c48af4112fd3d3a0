"""Boxes that hold a candidate: their walls, their runtime, and the pipes into them."""

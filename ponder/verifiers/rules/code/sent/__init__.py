"""Sent into a box as compiled code: `inside` and `packing` surround a candidate, `tester` and `wire` the tests."""

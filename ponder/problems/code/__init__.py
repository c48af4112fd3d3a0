"""Small programs to be written, judged by tests."""

"""What the command line does, one command a file; together with `cli` the only place where everything meets."""

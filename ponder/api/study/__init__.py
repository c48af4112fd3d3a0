"""Looking on: at a run that goes on, at several runs side by side, at tables and pictures as files, at the machine."""

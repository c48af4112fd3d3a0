"""What a run will take, calculated before it starts: memory, disk and time, and what to change if it does not fit."""

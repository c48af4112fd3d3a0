"""The run folder, the only source of reports: configuration, metrics, events, and writes that survive a kill.

    config.toml  metrics.jsonl  events.jsonl  summary.json  trajectories/  checkpoints/  report.html

`RunLog` opens the folder; `files` has the durable writes it is made of, for other things that must never be half
written; `environment` says what ran where.
"""

from ponder.runlog.environment import machine, peak_memory_bytes, revision, versions
from ponder.runlog.files import append_line, read_jsonl, replacing, write_json, write_text
from ponder.runlog.folder import RunLog, read_config, read_events, read_metrics

__all__ = [
    "RunLog",
    "append_line",
    "machine",
    "peak_memory_bytes",
    "read_config",
    "read_events",
    "read_jsonl",
    "read_metrics",
    "replacing",
    "revision",
    "versions",
    "write_json",
    "write_text",
]

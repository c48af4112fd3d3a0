"""The policy's trainer as processes: what the driver holds (`group`), a rank (`worker`), what is refused (`check`)."""

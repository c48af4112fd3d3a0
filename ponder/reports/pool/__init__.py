"""The page of somebody else's samples."""

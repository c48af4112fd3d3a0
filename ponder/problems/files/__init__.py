"""Problems that are stored: JSON Lines files and data sets of the hub."""

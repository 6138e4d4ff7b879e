"""The cluster as a world for the engine: pods for episodes, objects for records. The operator lives here."""

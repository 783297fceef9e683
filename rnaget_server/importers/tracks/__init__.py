"""From the signal tracks that users have to files that are served."""

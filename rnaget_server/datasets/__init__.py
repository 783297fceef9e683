"""From records of the catalogue to open stores."""

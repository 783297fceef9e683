"""The files users have → native store + YAML: expression matrices and signal tracks."""

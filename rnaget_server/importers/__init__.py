"""The files users have → native store + YAML: expression matrices as text, GCT or loom."""

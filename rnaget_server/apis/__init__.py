"""HTTP in: one folder for each standard, one module for each resource. A handler extracts, calls and responds."""

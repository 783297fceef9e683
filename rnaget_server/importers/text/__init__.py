"""Tables as text: lines, fields, numbers, columns."""

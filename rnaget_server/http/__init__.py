"""The protocol that all standards share; it knows none of them."""

"""Pure values that everything passes on: axes, cells, slices."""

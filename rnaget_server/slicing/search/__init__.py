"""Searches by names and parts of names: in the features or samples of one matrix, and in all that a catalogue has."""

"""Random files against numpy and pandas; `python -m tests.fuzz` for as long as one likes."""

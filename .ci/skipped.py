"""Fails if a test was skipped for want of the shared data, a suite or R: to be run where all are there."""

import sys
from xml.etree import ElementTree

REASONS = ("shared data", "suite is not installed", "rscript is absent")

skipped = [
    f"{case.get('classname')}::{case.get('name')}: {skip.get('message')}"
    for case in ElementTree.parse(sys.argv[1]).iter("testcase")
    for skip in case.iter("skipped")
    if any(reason in f"{skip.get('message')} {skip.text}".lower() for reason in REASONS)
]
if skipped:
    print(f"{len(skipped)} tests were skipped although what they need is there:", *skipped, sep="\n  ")
sys.exit(bool(skipped))

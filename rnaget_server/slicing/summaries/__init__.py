"""Groups of samples summarised feature by feature: one column for each group in place of its samples."""

from rnaget_server.slicing.summaries.grouping import Grouping, group_attribute, group_names, summarised_slice
from rnaget_server.slicing.summaries.kept import SummaryCache

__all__ = ["Grouping", "SummaryCache", "group_attribute", "group_names", "summarised_slice"]

"""Contract tests that every store and every writer passes; third parties inherit them."""

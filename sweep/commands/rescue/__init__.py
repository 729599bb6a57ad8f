"""What would have rescued the seeds that failed: the menu of changes, the likely one, the search."""

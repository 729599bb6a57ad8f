"""The page: data halves, charts, templates."""

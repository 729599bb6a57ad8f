"""Words, bars and progress for a terminal."""

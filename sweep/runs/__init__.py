"""What is asked of a trainer and what came back, for any subject.

Knows no network, no file and no library but NumPy.
"""

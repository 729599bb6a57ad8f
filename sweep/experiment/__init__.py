"""What is asked: the experiment as a value, and the file that says it. Reads files of experiments and of tables.

Knows no engine, no study and no results.
"""

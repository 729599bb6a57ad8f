"""The results folder: its files, its tables, what may go on in it, what it holds.

Every file name is here. What is durable here is what everything else builds on. Trains nothing.
"""

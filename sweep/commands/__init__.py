"""What a user asks, about one file a command: run, check, train, rescue, replay, compare, verify and the others.

A command returns values. It prints nothing and knows neither terminal nor page.
"""

"""What is shown: words, summaries, the page, the terminal. Reads values and files. Trains nothing."""

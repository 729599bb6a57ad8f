"""What is shown of results: data halves in `summaries`, drawn by the command line. Reads files and never trains."""

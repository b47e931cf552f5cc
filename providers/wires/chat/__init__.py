"""The OpenAI chat completions wire, read and written on both sides."""

"""The page in the browser: server-rendered, without any script."""

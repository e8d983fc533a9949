"""The command line: words in, words out; installed as `geounet.cli`."""

"""What was seen of each key, and what follows from it: when may an old key go?

Pure: time is an argument. Keys and tokens are known here only by what is used of them.
"""

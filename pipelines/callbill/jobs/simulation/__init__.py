"""`callbill simulate`: what sealed calls would have cost under other terms, beside what they cost.

what_if.py     what is asked
terms.py       the catalogue and the vars of the books, and those of the simulation
books.py       a warehouse in a folder of its own, with what the books know
given.py       contracts and the like that are given for the question
job.py         builds the bills anew in it
comparison.py  those bills beside the books', by bills.sql and lines.sql

The books are read and nothing of them is written, and no lock is taken. What is sealed never
changes: a run that publishes meanwhile is not seen.
"""

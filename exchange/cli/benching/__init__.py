"""What ``exchange bench`` measures with: a yardstick, a load made beforehand, a cheap poster.

``cap``       how many signatures the library alone verifies here, on all cores
``load``      an exercise to post into, and bulletins sealed and signed before the clock starts
``posting``   many connections from one thread: the poster must not eat what it measures
``trial``     a real node process, the runs against it, and what voids them
``costs``     what single steps cost, in processor time
``whole``     all of it, in order
"""

"""Where a journal is kept: adapters that meet ``node.ports.Store``, each native to its engine.

``memory``      a journal in this process, for tests and simulations
``sqlite``      the embedded default: one file, one writer, several readers
``rules``       what every adapter refuses to append

and, of SQLite alone:

``file``        the file: its lock, its marks, its tables, and how it is opened
``inserting``   one commit group into the tables, in one transaction
``selecting``   what readers ask, each in one snapshot
"""

"""A node's state in one encrypted file, and back.

``records``    what stands in the file, one after another
``gathering``  read a node's folder, while the node runs
``passing``    hold what goes by to itself: the tree, what is named, what was signed
``restoring``  make a folder of it, and of what the second place has besides

What goes into the file is what cannot be made again: commit groups (entries, statements, what
lies beside them), attachments, settings, documents, keys under their own passphrase. Tables
are not copied: they are made anew from the entries, each judged again.
"""

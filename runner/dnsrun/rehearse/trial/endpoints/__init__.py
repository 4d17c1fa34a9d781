"""Web and mail servers of a trial on loopback: they speak the protocols, and answer by what serves whom at the moment.

One module for each family of protocols; `doors` has the ports and the lines, `street` says who lives where.
"""

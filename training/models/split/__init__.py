"""The split cross-encoder: products are encoded without a query, and a query's few tokens attend to what is kept.

joint_layer.py  one layer of attention from query tokens to query and product, and its constants of a request
student.py      the encoder, the joint layers and the head; scores a padded batch of pairs
start.py        the student before it learns: a sentence encoder's weights everywhere
files.py        saved and loaded
graphs.py       the three graphs that serving runs, out of the same modules
"""

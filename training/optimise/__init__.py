"""How a model learns, whatever its architecture: batches → logits → loss → step. Teacher and student share it.

batches.py        whole query groups, bucketed by length, in an order that only seed and epoch decide
scorers.py        logits of a batch, behind one call; precision.py: device and mixed precision
losses.py         the losses, pure functions of logits
trainer.py        train: the one loop
micro_batches.py  a batch in parts whose losses add up to its own; distributed.py: the same over processes
checkpoint.py     everything the loop needs to go on; divergence.py: what to say when a loss is not finite
loss_log.py       the loss of every step in a file

Nothing is imported here: the report reads loss_log.py without loading torch.
"""
